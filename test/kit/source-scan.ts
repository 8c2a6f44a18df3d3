/** What the rules of test/tidy.test.ts need to know about a TypeScript file: its imports, its functions, its lines of code. */
import { parseAst } from 'vitest/node'

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string
  readonly text: string
  /** Lines that hold more than blanks and comments. */
  readonly codeLines: number
  readonly imports: readonly ImportUse[]
  readonly functions: readonly FunctionSize[]
  /** Dotted names that the code mentions: `Date.now`, `setTimeout`, `new Date()` for a construction without arguments. */
  readonly names: readonly NameUse[]
  /** Lines of the statements at the top of the file that are neither a re-export nor the empty `export {}`. */
  readonly ownStatements: readonly number[]
  /** Comments, for the rules about what they hold. */
  readonly comments: readonly Comment[]
}

export interface ImportUse {
  readonly specifier: string
  readonly line: number
  /** True when it is gone after compilation, so that it can neither run code nor close a cycle while modules load. */
  readonly typeOnly: boolean
}

export interface FunctionSize {
  readonly name: string
  readonly line: number
  readonly codeLines: number
  /** The function it was handed to, such as `describe`; undefined for one that is declared. */
  readonly argumentOf: string | undefined
}

export interface NameUse {
  readonly name: string
  readonly line: number
}

export interface Comment {
  readonly line: number
  readonly text: string
}

interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

interface Visit {
  readonly node: SyntaxNode
  /** From the file down to the parent. */
  readonly ancestors: readonly SyntaxNode[]
}

/** @throws with the file's name when it does not parse */
export function scanSource(path: string, text: string): SourceFile {
  const root = parse(path, text)
  const visits = [...walk(root, [])]
  const lines = lineStarts(text)
  const lineOf = (position: number) => lineAt(lines, position)
  const comments = findComments(text, literalEnds(visits))
  const isCode = codeLineFlags(text, comments, lines)
  const countCode = (from: number, to: number) => isCode.slice(lineOf(from) - 1, lineOf(to)).filter(Boolean).length
  return {
    path,
    text,
    codeLines: isCode.filter(Boolean).length,
    imports: visits.flatMap((visit) => importOf(visit, lineOf)),
    functions: visits.filter(({ node }) => functionTypes.has(node.type)).map((visit) => functionSize(visit, lineOf, countCode)),
    names: visits.flatMap((visit) => nameOf(visit, lineOf)),
    ownStatements: (root['body'] as SyntaxNode[]).filter((statement) => !isReexport(statement)).map((statement) => lineOf(statement.start)),
    comments: comments.map(({ start, end }) => ({ line: lineOf(start), text: text.slice(start, end) })),
  }
}

// ---------------------------------------------------------------------------------------------------- the syntax tree

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const importTypes = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'])

function parse(path: string, text: string): SyntaxNode {
  try {
    return parseAst(text, { lang: 'ts' }, path) as unknown as SyntaxNode
  } catch (error) {
    throw new Error(`${path} does not parse: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function* walk(node: SyntaxNode, ancestors: readonly SyntaxNode[]): Generator<Visit> {
  yield { node, ancestors }
  const path = [...ancestors, node]
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child, path)
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string' && typeof (value as SyntaxNode).start === 'number'
}

function importOf({ node }: Visit, lineOf: (position: number) => number): readonly ImportUse[] {
  if (!importTypes.has(node.type)) return []
  const source = node['source'] as SyntaxNode | null
  const specifier = source?.['value']
  const typeOnly = node.type === 'TSImportType' || node['importKind'] === 'type' || node['exportKind'] === 'type'
  return typeof specifier === 'string' ? [{ specifier, line: lineOf(node.start), typeOnly }] : []
}

function functionSize({ node, ancestors }: Visit, lineOf: (position: number) => number, countCode: (from: number, to: number) => number): FunctionSize {
  const parent = ancestors.at(-1)
  const own = node['id'] ?? parent?.['key'] ?? parent?.['id']
  return {
    name: isNode(own) && typeof own['name'] === 'string' ? own['name'] : 'anonymous function',
    line: lineOf(node.start),
    codeLines: countCode(node.start, node.end - 1),
    argumentOf: parent?.type === 'CallExpression' && parent['callee'] !== node ? calleeName(parent['callee'] as SyntaxNode) : undefined,
  }
}

/** `describe` for `describe(…)`, `describe.each(…)(…)` and `describe.skipIf(…)(…)` alike. */
function calleeName(callee: SyntaxNode): string {
  if (callee.type === 'Identifier') return String(callee['name'])
  const inner = callee['object'] ?? callee['callee'] ?? callee['tag']
  return isNode(inner) ? calleeName(inner) : ''
}

function nameOf({ node, ancestors }: Visit, lineOf: (position: number) => number): readonly NameUse[] {
  const line = lineOf(node.start)
  if (node.type === 'NewExpression' && (node['arguments'] as unknown[]).length === 0) return [{ name: `new ${identifier(node['callee'])}()`, line }]
  if (node.type === 'MemberExpression') {
    const owner = identifier(node['object'])
    return owner === '' ? [] : [{ name: `${owner}.${identifier(node['property'])}`, line }]
  }
  const isPropertyName = ancestors.at(-1)?.['key'] === node || ancestors.at(-1)?.['property'] === node
  return node.type === 'Identifier' && !isPropertyName ? [{ name: String(node['name']), line }] : []
}

function identifier(node: unknown): string {
  return isNode(node) && node.type === 'Identifier' ? String(node['name']) : ''
}

function isReexport(statement: SyntaxNode): boolean {
  if (statement.type === 'ExportAllDeclaration') return true
  return statement.type === 'ExportNamedDeclaration' && (statement['source'] !== null || isEmptyExport(statement))
}

function isEmptyExport(statement: SyntaxNode): boolean {
  return statement['declaration'] === null && (statement['specifiers'] as unknown[]).length === 0
}

// ---------------------------------------------------------------------------------------------------- lines and comments

interface Span {
  readonly start: number
  readonly end: number
}

function lineStarts(text: string): readonly number[] {
  return [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)]
}

/** Counted from 1. */
function lineAt(starts: readonly number[], position: number): number {
  let low = 0
  let high = starts.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (starts[middle]! <= position) low = middle
    else high = middle
  }
  return low + 1
}

/** Where texts and patterns end, by where they begin: what looks like a comment inside them is none. */
function literalEnds(visits: readonly Visit[]): ReadonlyMap<number, number> {
  const literals = visits.filter(({ node }) => node.type === 'Literal' || node.type === 'TemplateElement')
  return new Map(literals.map(({ node }) => [node.start, node.end]))
}

function findComments(text: string, literals: ReadonlyMap<number, number>): readonly Span[] {
  const comments: Span[] = []
  let position = text.startsWith('#!') ? endOfLine(text, 0) : 0
  while (position < text.length) {
    const literalEnd = literals.get(position)
    const commentEnd = text.startsWith('//', position) ? endOfLine(text, position) : text.startsWith('/*', position) ? text.indexOf('*/', position) + 2 : undefined
    if (literalEnd !== undefined && literalEnd > position) position = literalEnd
    else if (commentEnd === undefined) position++
    else {
      comments.push({ start: position, end: commentEnd })
      position = commentEnd
    }
  }
  return comments
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

function codeLineFlags(text: string, comments: readonly Span[], lines: readonly number[]): readonly boolean[] {
  let code = ''
  let position = 0
  for (const { start, end } of comments) {
    code += text.slice(position, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ')
    position = end
  }
  code += text.slice(position)
  return lines.map((start) => code.slice(start, endOfLine(code, start)).trim() !== '')
}
