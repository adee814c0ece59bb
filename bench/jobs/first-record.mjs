/** A small job that notes when its first record arrives, by the monotonic clock of the machine. Arguments: file for the note. */
import { writeFileSync } from 'node:fs';
import { collection, forEach, job } from 'tidemark';

export default job('first-record', (flow, [noteFile]) => {
  let noted = false;
  flow.from(collection([1, 2, 3])).to(
    forEach(() => {
      if (noted) return;
      noted = true;
      // Exclusive: with several threads the first one keeps its note.
      try {
        writeFileSync(noteFile, String(process.hrtime.bigint()), { flag: 'wx' });
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
    }),
  );
});
