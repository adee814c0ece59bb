/** The control socket of a running job: server for the supervisor, client for the commands. */
import { chmodSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { decodeError, encodeError, TidemarkError } from '../format/errors.ts';
import {
  type ControlMethod,
  type ControlRequest,
  type ControlResponse,
  type ControlResults,
  lineSplitter,
  parseRequest,
} from './control-protocol.ts';

export type ControlHandler = (request: ControlRequest) => Promise<unknown>;

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Listens and answers each request with what `handle` resolves to, or with its error.
 *
 * @throws the error of listen(), EADDRINUSE among them
 */
export async function serveControl(path: string, handle: ControlHandler): Promise<ControlServer> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serveConnection(socket, handle);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(path, done);
  });
  // The directory keeps others out; the mode says it again for a runtime directory that a user chose.
  if (process.platform !== 'win32') chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        // Whoever asked and still waits for the answer gets it; the rest have nothing to come.
        for (const socket of open) socket.end();
      }),
  };
}

function serveConnection(socket: Socket, handle: ControlHandler): void {
  // Answers keep the order of the requests: each waits for the one before.
  let last: Promise<void> = Promise.resolve();
  const answer = async (line: string): Promise<void> => {
    const request = parseRequest(line);
    let response: ControlResponse;
    try {
      if (typeof request === 'string') throw new TidemarkError('ERR_INVALID_ARG', `Refused: ${request}.`);
      response = { ok: true, result: (await handle(request)) ?? null };
    } catch (error) {
      response = { ok: false, error: encodeError(error) };
    }
    if (socket.writable) socket.write(`${JSON.stringify(response)}\n`);
  };
  const split = lineSplitter((line) => {
    last = last.then(() => answer(line));
  });
  socket.on('data', (chunk) => {
    try {
      split(chunk);
    } catch {
      socket.destroy();
    }
  });
  // A client that went away is no event for the job.
  socket.on('error', () => socket.destroy());
}

/**
 * Sends one request and waits for its answer: for a savepoint that may take long, so there is no time limit on it.
 *
 * @throws the error of the job, rebuilt; the socket's own (ECONNREFUSED, ENOENT) when nobody listens
 */
export function requestControl<M extends ControlMethod>(
  path: string,
  request: Extract<ControlRequest, { method: M }>,
): Promise<ControlResults[M]> {
  return new Promise((done, fail) => {
    const socket = connect(path);
    const split = lineSplitter((line) => {
      socket.end();
      const response = JSON.parse(line) as ControlResponse;
      if (response.ok) done(response.result as ControlResults[M]);
      else fail(decodeError(response.error));
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk) => {
      try {
        split(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', fail);
    socket.on('close', () =>
      fail(
        new TidemarkError(
          'ERR_NO_SUCH_JOB',
          `The job ended before it answered \`${request.method}\`. \`tidemark list\` shows what runs.`,
        ),
      ),
    );
  });
}

/** Does anybody listen there? */
export function isListening(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
}
