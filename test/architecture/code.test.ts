/** Rules that need types: they ask the TypeScript compiler about the whole of `src`. */
import { join } from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, readSources } from '../support/sources.ts';

/** The only file that may call the writes that can write less than they were given without an error. */
const FS_PORT = 'src/snapshot/fs-port.ts';

/** Raw writes of `node:fs`, and `write` and `writev` of a FileHandle. */
const RAW_WRITES = new Set(['write', 'writeSync', 'writev', 'writevSync']);

let program: ts.Program;
let checker: ts.TypeChecker;
beforeAll(() => {
  const config = ts.readConfigFile(join(projectRoot, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const parsed = ts.parseJsonConfigFileContent(config.config, ts.sys, projectRoot, { incremental: false, noEmit: true });
  delete parsed.options.tsBuildInfoFile;
  program = ts.createProgram(parsed.fileNames, parsed.options);
  checker = program.getTypeChecker();
});

describe('writes', () => {
  // On a full disk these return a short count and no error: what was not written would be missing in silence.
  it('raw writes of node:fs are called only in the port, which checks their count', () => {
    const calls: string[] = [];
    for (const file of ownFiles()) {
      if (nameOf(file) === FS_PORT) continue;
      visit(file, (node) => {
        if (ts.isCallExpression(node) && isRawWrite(node.expression)) calls.push(place(file, node));
      });
    }
    expect(calls).toEqual([]);
  });
});

describe('public types', () => {
  it('contain no `any`', () => {
    const found: string[] = [];
    for (const entry of ['src/index.ts', 'src/worker/state/shared-map.ts']) {
      const file = program.getSourceFile(join(projectRoot, entry));
      const module = file && checker.getSymbolAtLocation(file);
      if (module === undefined) throw new Error(`${entry} is not a module`);
      for (const exported of checker.getExportsOfModule(module)) {
        const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
        for (const declaration of symbol.declarations ?? []) found.push(...anyIn(declaration, exported.name));
      }
    }
    expect(found).toEqual([]);
  });
});

describe('file sizes', () => {
  it('a file of more than 500 lines is warned of, one of more than 600 refused', () => {
    const lengths = readSources('src').map(({ path, text }) => ({ path, lines: text.split('\n').length }));
    for (const { path, lines } of lengths)
      if (lines > 500) console.warn(`${path} has ${lines} lines: a file that wants a table of contents is two files`);
    expect(lengths.filter(({ lines }) => lines > 600)).toEqual([]);
  });
});

function ownFiles(): readonly ts.SourceFile[] {
  return program.getSourceFiles().filter((file) => file.fileName.startsWith(join(projectRoot, 'src/')));
}

function nameOf(file: ts.SourceFile): string {
  return file.fileName.slice(projectRoot.length);
}

function place(file: ts.SourceFile, node: ts.Node): string {
  const { line } = file.getLineAndCharacterOfPosition(node.getStart());
  return `${nameOf(file)}:${line + 1} ${node.getText().slice(0, 60)}`;
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  node.forEachChild((child) => visit(child, each));
}

function isRawWrite(callee: ts.Expression): boolean {
  const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
  if (!ts.isIdentifier(name)) return false;
  let symbol = checker.getSymbolAtLocation(name);
  if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  if (symbol === undefined || !RAW_WRITES.has(symbol.name)) return false;
  return (symbol.declarations ?? []).some((declaration) => {
    if (!/@types\/node\/fs(\/promises)?\.d\.ts$/.test(declaration.getSourceFile().fileName)) return false;
    // A stream's `write` buffers and reports errors itself; it is declared in stream.d.ts, or in fs.d.ts for overrides.
    return (
      ts.isFunctionDeclaration(declaration) ||
      (ts.isInterfaceDeclaration(declaration.parent) && declaration.parent.name.text === 'FileHandle')
    );
  });
}

/** Places where a declaration, as its users see it, has the type `any`: written out, or inferred for lack of an annotation. */
function anyIn(declaration: ts.Declaration, name: string): readonly string[] {
  const found: string[] = [];
  const file = declaration.getSourceFile();
  if (!file.fileName.startsWith(join(projectRoot, 'src/'))) return found;
  const look = (node: ts.Node): void => {
    if (ts.isBlock(node) || isHidden(node)) return;
    if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${name}: ${place(file, node.parent)}`);
    if (ts.isFunctionLike(node) || ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node)) {
      const type = ts.isFunctionLike(node) ? returnType(node) : checker.getTypeAtLocation(node);
      if (type !== undefined && type.flags & ts.TypeFlags.Any) found.push(`${name}: ${place(file, node)}`);
    }
    // What a variable is initialised with is not part of its type; that was looked at above.
    if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node)) {
      if (node.type !== undefined) look(node.type);
      return;
    }
    node.forEachChild(look);
  };
  look(declaration);
  return found;
}

function returnType(node: ts.SignatureDeclaration): ts.Type | undefined {
  const signature = checker.getSignatureFromDeclaration(node);
  return signature && checker.getReturnTypeOfSignature(signature);
}

function isHidden(node: ts.Node): boolean {
  const isPrivateName = ts.isClassElement(node) && node.name !== undefined && ts.isPrivateIdentifier(node.name);
  return (
    isPrivateName ||
    (ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword))
  );
}
