package tidemark.peers;

import java.util.HashMap;
import java.util.Map;

/** Command line: {@code --name value}, all of them required. */
final class Options {
  private final Map<String, String> values = new HashMap<>();

  Options(String[] arguments, int from) {
    if ((arguments.length - from) % 2 != 0) throw new IllegalArgumentException("Options come as --name value.");
    for (int i = from; i < arguments.length; i += 2) values.put(arguments[i], arguments[i + 1]);
  }

  String text(String name) {
    String value = values.get("--" + name);
    if (value == null) throw new IllegalArgumentException("Option --" + name + " is missing.");
    return value;
  }

  long number(String name) {
    return Long.parseLong(text(name));
  }

  boolean flag(String name) {
    return Boolean.parseBoolean(text(name));
  }
}
