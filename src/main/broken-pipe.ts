import { errnoOf } from '../snapshot/files.ts';

/** Whoever reads what this process prints may end first (`tidemark inspect … | head`): what is printed then is lost, and nothing else. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      if (errnoOf(error) !== 'EPIPE') throw error;
    });
}
