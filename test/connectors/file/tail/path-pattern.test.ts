import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pathPattern } from '../../../../connectors/file/tail/path-pattern.ts'

const matching = (pattern: string, paths: string[]) => paths.filter(pathPattern(pattern).matches)

describe('pathPattern', () => {
  it('takes a path without wildcards as it is', () => {
    expect(matching('/var/log/a.log', ['/var/log/a.log', '/var/log/aXlog', '/var/log/a.log.1'])).toEqual(['/var/log/a.log'])
    expect(pathPattern('/var/log/a.log')).toMatchObject({ root: '/var/log', depth: 0 })
  })

  it('counts relative paths from the working directory', () => {
    expect(pathPattern('logs/a.log').matches(resolve('logs/a.log'))).toBe(true)
  })

  it('keeps * and ? inside one folder, and off hidden files', () => {
    expect(matching('/l/*.log', ['/l/a.log', '/l/b/c.log', '/l/.log', '/l/.a.log', '/l/a.log.1'])).toEqual(['/l/a.log'])
    expect(matching('/l/a?c', ['/l/abc', '/l/ac', '/l/a/c'])).toEqual(['/l/abc'])
  })

  it('lets ** stand for any depth of folders', () => {
    expect(matching('/l/**/x.log', ['/l/x.log', '/l/a/x.log', '/l/a/b/x.log', '/l/.git/x.log', '/m/x.log'])).toEqual(['/l/x.log', '/l/a/x.log', '/l/a/b/x.log'])
    expect(pathPattern('/l/**/x.log')).toMatchObject({ root: '/l', depth: Number.POSITIVE_INFINITY })
    expect(pathPattern('/l/*/b/x.log')).toMatchObject({ root: '/l', depth: 2 })
  })

  it('knows classes and alternatives', () => {
    expect(matching('/l/[a-c].log', ['/l/b.log', '/l/d.log'])).toEqual(['/l/b.log'])
    expect(matching('/l/[!a-c].log', ['/l/b.log', '/l/d.log', '/l//.log'])).toEqual(['/l/d.log'])
    expect(matching('/l/{access,error}.log', ['/l/access.log', '/l/error.log', '/l/other.log'])).toEqual(['/l/access.log', '/l/error.log'])
  })

  it('takes what stands behind a backslash literally', () => {
    expect(matching(String.raw`/l/a\*.log`, ['/l/a*.log', '/l/ab.log'])).toEqual(['/l/a*.log'])
    expect(matching('/l/a+(b).log', ['/l/a+(b).log', '/l/aab.log'])).toEqual(['/l/a+(b).log'])
  })
})
