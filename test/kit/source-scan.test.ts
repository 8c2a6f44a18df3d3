import { describe, expect, it } from 'vitest'
import { scanSource } from './source-scan.ts'

describe('scanSource', () => {
  it('counts lines of code, not blanks and comments', () => {
    const source = scanSource('a.ts', ['/**', ' * Documentation.', ' */', 'export const a = 1 // why', '', '// more', 'const url = "http://x" /* tail', ' of it */', 'const t = `', '// text', '`'].join('\n'))
    expect(source.codeLines).toBe(5)
    expect(source.comments.map(({ line }) => line)).toEqual([1, 4, 6, 7])
  })

  it('is not misled by patterns and templates that look like comments', () => {
    const source = scanSource('a.ts', 'const a = /\\/*x/ // one\nconst b = `${1 /* two */}//` \nconst c = 4 / 2 // three\n')
    expect(source.comments.map(({ text }) => text)).toEqual(['// one', '/* two */', '// three'])
  })

  it('finds every kind of import', () => {
    const source = scanSource('a.ts', [
      "import type { A } from './a.ts'", "import './b.ts'", "export { c } from './c.ts'", "export * from './d.ts'",
      "const e = await import('./e.ts')", "type F = typeof import('./f.ts')", "const text = 'import x from y'", 'export const g = 1',
    ].join('\n'))
    expect(source.imports.map(({ specifier, line }) => `${line} ${specifier}`)).toEqual(['1 ./a.ts', '2 ./b.ts', '3 ./c.ts', '4 ./d.ts', '5 ./e.ts', '6 ./f.ts'])
    expect(source.imports.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier)).toEqual(['./a.ts', './f.ts'])
  })

  it('measures functions by their lines of code and names them', () => {
    const source = scanSource('a.test.ts', [
      'describe.each([1])("x", () => {', '  // a comment', '  run()', '})', 'class A {', '  #b() {', '    return 1', '  }', '}', 'const c = () => 1',
    ].join('\n'))
    expect(source.functions).toEqual([
      { name: 'anonymous function', line: 1, codeLines: 3, argumentOf: 'describe' },
      { name: 'b', line: 6, codeLines: 3, argumentOf: undefined },
      { name: 'c', line: 10, codeLines: 1, argumentOf: undefined },
    ])
  })

  it('sees the names that code uses, and not those that text, keys and properties have', () => {
    const source = scanSource('a.ts', 'Date.now(); const a = { setTimeout: 1 }; a.setTimeout; new Date(); new Date(1); "Math.random"; setInterval(f)')
    const names = source.names.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['Date.now', 'new Date()', 'setInterval']))
    expect(names).not.toContain('setTimeout')
    expect(names).not.toContain('Math.random')
  })

  it('lists what a file does beyond re-exporting', () => {
    expect(scanSource('index.ts', "export * from './a.ts'\nexport type { B } from './b.ts'\nexport {}\nexport { c }\nconst c = 1\n").ownStatements).toEqual([4, 5])
  })

  it('names the file that does not parse', () => {
    expect(() => scanSource('broken.ts', 'const = ')).toThrow(/broken\.ts does not parse/)
  })
})
