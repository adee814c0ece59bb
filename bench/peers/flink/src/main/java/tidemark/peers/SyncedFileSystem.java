package tidemark.peers;

import java.io.IOException;
import java.net.URI;
import org.apache.flink.core.fs.FSDataOutputStream;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.FileSystemFactory;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.fs.local.LocalFileSystem;

/**
 * The local file system with each file synced before it is closed, under the scheme {@code synced}. Flink leaves durability to
 * the file system that checkpoints are written to, and its own local one does not sync: a checkpoint could be lost with the power.
 */
public final class SyncedFileSystem extends LocalFileSystem {
  @Override
  public URI getUri() {
    return URI.create("synced:///");
  }

  @Override
  public FSDataOutputStream create(Path path, FileSystem.WriteMode mode) throws IOException {
    return new SyncedStream(super.create(path, mode));
  }

  /** Found by Flink through {@code META-INF/services}. */
  public static final class Factory implements FileSystemFactory {
    @Override
    public String getScheme() {
      return "synced";
    }

    @Override
    public FileSystem create(URI uri) {
      return new SyncedFileSystem();
    }
  }

  private static final class SyncedStream extends FSDataOutputStream {
    private final FSDataOutputStream to;
    private boolean isClosed;

    SyncedStream(FSDataOutputStream to) {
      this.to = to;
    }

    @Override
    public long getPos() throws IOException {
      return to.getPos();
    }

    @Override
    public void write(int b) throws IOException {
      to.write(b);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
      to.write(bytes, from, length);
    }

    @Override
    public void flush() throws IOException {
      to.flush();
    }

    @Override
    public void sync() throws IOException {
      to.sync();
    }

    @Override
    public void close() throws IOException {
      if (isClosed) return;
      isClosed = true;
      try {
        to.sync();
      } finally {
        to.close();
      }
    }
  }
}
