/** Writes what is generated from the list of options: the tables of docs/configuration.md, and the JSON Schema beside it. Build first. */
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationSchema } from '../dist/main/config/json-schema.js';
import { configurationReference } from '../dist/main/config/reference.js';

const document = new URL('../docs/configuration.md', import.meta.url);
const text = readFileSync(document, 'utf8');
writeFileSync(document, text.slice(0, text.indexOf('## Execution')) + configurationReference());
const schema = new URL('../docs/tidemark.config.schema.json', import.meta.url);
writeFileSync(schema, `${JSON.stringify(configurationSchema(), null, 1)}\n`);
