import { describe, expect, it } from 'vitest'
import { compareRotationAge, isCompressedName, rotationBase } from '../../../../connectors/file/tail/rotation-names.ts'

describe('rotationBase', () => {
  it.each([
    ['/l/access.log.1', '/l/access.log'],
    ['/l/access.log.12', '/l/access.log'],
    ['/l/access.log-20261121', '/l/access.log'],
    ['/l/access.log-20261121.3', '/l/access.log'],
    ['/l/access.log.2026-11-21T07:00', '/l/access.log'],
    ['/l/access-2026-11-21.log', '/l/access.log'],
    ['/l/access.1.log', '/l/access.log'],
    ['/l/access.log.old', '/l/access.log'],
    ['/l/access.log~', '/l/access.log'],
    ['/l/host-1.log.2', '/l/host-1.log'],
    ['/var/log-1/access.log', '/var/log-1/access.log'],
    ['/l/access.log', '/l/access.log'],
    ['/l/messages', '/l/messages'],
    ['/l/.1', '/l/.1'],
  ])('of %s is %s', (path, base) => expect(rotationBase(path)).toBe(base))

  it('tells compressed files by their names', () => {
    expect(['a.log.1.gz', 'a.log.zst', 'a.log.1', 'gz'].filter(isCompressedName)).toEqual(['a.log.1.gz', 'a.log.zst'])
  })
})

describe('compareRotationAge', () => {
  it.each([
    [['/l/a.log', '/l/a.log.2', '/l/a.log.10', '/l/a.log.1'], ['/l/a.log.10', '/l/a.log.2', '/l/a.log.1', '/l/a.log']],
    [['/l/a.log', '/l/a.log-20261121', '/l/a.log-20261120'], ['/l/a.log-20261120', '/l/a.log-20261121', '/l/a.log']],
    [['/l/a.log', '/l/a-2026-11-21.log', '/l/a-2026-11-20.log'], ['/l/a-2026-11-20.log', '/l/a-2026-11-21.log', '/l/a.log']],
  ])('puts the oldest of %s first', (paths, ordered) => expect(paths.toSorted(compareRotationAge)).toEqual(ordered))
})
