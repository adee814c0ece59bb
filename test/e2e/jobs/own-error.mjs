/** Fails with an error of the package's own class, made by the instance of the package that the job module has. */
import { collection, forEach, job, TidemarkError } from 'tidemark';

export default job('own-error', (flow) => {
  const fail = () => {
    throw new TidemarkError('ERR_SINK_FAILED', 'made by the job module');
  };
  flow
    .from(collection([1]))
    .map(fail)
    .to(forEach(() => {}));
});
