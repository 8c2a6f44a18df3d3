/** Ten ways in which logs are rotated, as real changes of a folder; `app.log` is the log. */
import { copyFileSync, existsSync, readFileSync, renameSync, statSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

export interface RotationScene {
  /** The path of a name in the log's folder. */
  readonly at: (name: string) => string
  /** Rotations so far. */
  readonly rotations: number
}

export interface RotationStyle {
  /** The `path` that the source is given, in the log's folder; default: the log. */
  readonly path?: string
  readonly rotate: (scene: RotationScene) => void
  /** It destroys lines, so that it keeps its promise only when everything written is committed. */
  readonly destroys?: true
  /** Lines of copy and original, or of a compressed file and its successor, may change places. */
  readonly unordered?: true
}

export const logName = 'app.log'

/** `app.log.1` becomes `app.log.2` and so on, as logrotate does. */
function shift({ at }: RotationScene, suffix = ''): void {
  let last = 1
  while (existsSync(at(`${logName}.${last}${suffix}`))) last++
  for (; last > 1; last--) renameSync(at(`${logName}.${last - 1}${suffix}`), at(`${logName}.${last}${suffix}`))
}

function compress(path: string, target: string): void {
  const { atime, mtime } = statSync(path)
  writeFileSync(target, gzipSync(readFileSync(path)))
  utimesSync(target, atime, mtime)
  unlinkSync(path)
}

/** Another day for each rotation, as `2026-11-01`. */
function day(rotations: number): string {
  return new Date(Date.UTC(2026, 10, 1 + rotations)).toISOString().slice(0, 10)
}

export const rotationStyles: Readonly<Record<string, RotationStyle>> = {
  'rename and create': {
    rotate: (scene) => {
      shift(scene)
      renameSync(scene.at(logName), scene.at(`${logName}.1`))
      writeFileSync(scene.at(logName), '')
    },
  },
  'rename, and create at the next line': {
    rotate: (scene) => {
      shift(scene)
      renameSync(scene.at(logName), scene.at(`${logName}.1`))
    },
  },
  'rename to a date at the end': { rotate: ({ at, rotations }) => renameSync(at(logName), at(`${logName}-${day(rotations).replaceAll('-', '')}`)) },
  'rename to a date before the extension': { rotate: ({ at, rotations }) => renameSync(at(logName), at(`app-${day(rotations)}.log`)) },
  'delete and create': { destroys: true, rotate: ({ at }) => unlinkSync(at(logName)) },
  'copy and truncate': {
    unordered: true,
    rotate: (scene) => {
      shift(scene)
      copyFileSync(scene.at(logName), scene.at(`${logName}.1`))
      truncateSync(scene.at(logName), 0)
    },
  },
  'truncate in place': { destroys: true, rotate: ({ at }) => truncateSync(at(logName), 0) },
  'a symbolic link that is turned': {
    destroys: true,
    rotate: ({ at, rotations }) => {
      writeFileSync(at(`target-${rotations}`), '')
      symlinkSync(at(`target-${rotations}`), at('turning'))
      renameSync(at('turning'), at(logName))
    },
  },
  'rename and compress at once': {
    unordered: true,
    path: `${logName}*`,
    rotate: (scene) => {
      shift(scene, '.gz')
      compress(scene.at(logName), scene.at(`${logName}.1.gz`))
    },
  },
  'rename, and compress one rotation later': {
    unordered: true,
    path: `${logName}*`,
    rotate: (scene) => {
      let last = 2
      while (existsSync(scene.at(`${logName}.${last}.gz`))) last++
      for (; last > 2; last--) renameSync(scene.at(`${logName}.${last - 1}.gz`), scene.at(`${logName}.${last}.gz`))
      if (existsSync(scene.at(`${logName}.1`))) compress(scene.at(`${logName}.1`), scene.at(`${logName}.2.gz`))
      renameSync(scene.at(logName), scene.at(`${logName}.1`))
    },
  },
}
