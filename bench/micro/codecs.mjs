/** Codecs of rows, keys and values without a schema. */
import { KeyRef } from '../../dist/format/codec.js';
import { createGeneralCodec } from '../../dist/format/general-codec.js';
import { createKeyCodec } from '../../dist/format/key-codec.js';
import { Memory } from '../../dist/format/memory.js';
import { createRowCodec } from '../../dist/format/row-codec.js';

const RECORDS = 500;
const ROW_BYTES = 256;

const VISIT = {
  type: 'record',
  fields: [
    { name: 'user', schema: { type: 'string' } },
    { name: 'page', schema: { type: 'i32' } },
    { name: 'ms', schema: { type: 'f64' } },
    { name: 'at', schema: { type: 'timestamp' } },
  ],
};
const NUMBERS = {
  type: 'record',
  fields: [
    { name: 'key', schema: { type: 'i32' } },
    { name: 'count', schema: { type: 'f64' } },
  ],
};

const visits = Array.from({ length: RECORDS }, (_, i) => ({
  user: `user-${i * 7919}`,
  page: i,
  ms: i / 3,
  at: 1_700_000_000_000 + i,
}));
const counts = visits.map(({ page }) => ({ key: page, count: page * 2 }));

export const codecs = {
  name: 'codecs',
  question: 'What does it cost to encode and decode a record, with a schema and without, and a key?',
  tasks: [
    ...rowTasks(
      'row of two numbers',
      () => createRowCodec(NUMBERS),
      counts,
      (row) => row.key,
    ),
    viewTask(
      'row of two numbers',
      () => createRowCodec(NUMBERS),
      counts,
      (row) => row.key,
    ),
    ...rowTasks(
      'row with a string',
      () => createRowCodec(VISIT),
      visits,
      (row) => row.page,
    ),
    viewTask(
      'row with a string',
      () => createRowCodec(VISIT),
      visits,
      (row) => row.page,
    ),
    ...rowTasks('value without a schema', createGeneralCodec, visits, (row) => row.page),
    keyTask(
      'string key',
      [{ type: 'string' }],
      visits.map(({ user }) => user),
    ),
    keyTask(
      'number key',
      [{ type: 'int' }],
      visits.map(({ at }) => at),
    ),
    keyTask(
      'key without a schema',
      null,
      visits.map(({ user, page }) => [user, page]),
    ),
  ].map((task) => ({ ...task, reference: 'cache', items: RECORDS })),
};

function rowTasks(what, newCodec, values, use) {
  return [
    {
      task: `encode a ${what}`,
      unit: 'record',
      make() {
        const codec = newCodec();
        const memory = Memory.local(RECORDS * ROW_BYTES);
        return () => encodeAll(codec, values, memory);
      },
    },
    {
      task: `decode a ${what}`,
      unit: 'record',
      make() {
        const codec = newCodec();
        const memory = Memory.local(RECORDS * ROW_BYTES);
        encodeAll(codec, values, memory);
        return () => {
          let sum = 0;
          for (let i = 0; i < RECORDS; i++) sum += use(codec.decode(memory, i * ROW_BYTES));
          return sum;
        };
      },
    },
  ];
}

function viewTask(what, newCodec, values, use) {
  return {
    task: `read a field of a view of a ${what}`,
    unit: 'record',
    make() {
      const codec = newCodec();
      const memory = Memory.local(RECORDS * ROW_BYTES);
      encodeAll(codec, values, memory);
      const view = codec.view();
      return () => {
        let sum = 0;
        for (let i = 0; i < RECORDS; i++) {
          view.bind(memory, i * ROW_BYTES);
          sum += use(view.row);
        }
        return sum;
      };
    },
  };
}

function encodeAll(codec, values, memory) {
  let bytes = 0;
  for (let i = 0; i < RECORDS; i++) bytes += codec.encode(values[i], memory, i * ROW_BYTES, memory.byteLength);
  return bytes;
}

function keyTask(what, schemas, keys) {
  return {
    task: `encode a ${what}`,
    unit: 'key',
    make() {
      const codec = createKeyCodec(schemas);
      const ref = new KeyRef(Memory.local(8));
      return () => {
        let sum = 0;
        for (let i = 0; i < RECORDS; i++) {
          codec.encode(keys[i], ref);
          sum ^= ref.hash;
        }
        return sum;
      };
    },
  };
}
