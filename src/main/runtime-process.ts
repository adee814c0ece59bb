/** Entry of the process with the runtime: loads the engine at once and waits for its supervisor's word. */
import { serveRuntime } from './runtime-server.ts';

serveRuntime(() => import('./run.ts'));
