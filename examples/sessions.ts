/**
 * Groups page views into sessions: views of one user that follow each other within half an hour. The input is generated.
 *
 *     npx tidemark run examples/sessions.ts [views] [output]
 *
 * What it shows: `process` with several states of one key. A map holds what is known of each page, a value holds the session
 * that is open; `onEnd` writes what is still open when all input has been read. Views of a user arrive in the order of their
 * numbers only as long as the source has one subtask, so the job asks for that.
 */
import { files, generate, job, map, t, value } from 'tidemark';

const PAUSE_MS = 30 * 60_000;
const USERS = 5_000;
const PAGES = ['home', 'search', 'item', 'basket', 'checkout'] as const;

const View = t.record({ user: t.string, page: t.enum(PAGES), at: t.timestamp });
const Open = t.record({ since: t.timestamp, last: t.timestamp, views: t.i32 });

export default job('sessions', (flow, [views = '200000', output = 'out/sessions']) => {
  flow
    .from(
      generate({
        seed: 7,
        count: Number(views),
        schema: View,
        // Six seconds between two views of anybody. Sixty users are about at a time, and all come back after some days.
        make: (index, random) => ({
          user: `user-${(Math.floor(index / 1000) * 37 + random.int(0, 60)) % USERS}`,
          page: PAGES[Math.floor(random.float() ** 2 * PAGES.length)],
          at: Date.UTC(2026, 0, 1) + index * 6_000,
        }),
      }),
    )
    .parallelism(1)
    .keyBy('user')
    .process({
      state: { open: value(Open), pages: map(t.string, t.i32) },
      onRecord(view, { state, emit }) {
        const open = state.open.get();
        if (open !== undefined && view.at - open.last > PAUSE_MS) {
          emit(sessionOf(view.user, open, state.pages.entries()));
          state.pages.clear();
        }
        const continues = open !== undefined && view.at - open.last <= PAUSE_MS;
        state.open.set(
          continues ? { ...open, last: view.at, views: open.views + 1 } : { since: view.at, last: view.at, views: 1 },
        );
        state.pages.set(view.page, (state.pages.get(view.page) ?? 0) + 1);
      },
      onEnd({ key, state, emit }) {
        const open = state.open.get();
        if (open !== undefined) emit(sessionOf(key, open, state.pages.entries()));
      },
    })
    .uid('sessions')
    .to(files.jsonl(output));
});

function sessionOf(user: string, open: { since: number; last: number; views: number }, pages: Iterable<[string, number]>) {
  return {
    user,
    since: new Date(open.since).toISOString(),
    minutes: (open.last - open.since) / 60_000,
    views: open.views,
    pages: Object.fromEntries(pages),
  };
}
