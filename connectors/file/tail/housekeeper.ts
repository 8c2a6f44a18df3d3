/**
 * What is done with files that were read to their end and committed, and with stored positions of files that are gone.
 * It only looks at what is committed, so that nothing is given away before it is safe.
 */
import { copyFileSync, fsyncSync, closeSync, existsSync, openSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Log, SourcePartition, SourcePosition } from 'millrace/connect'
import { Complaints } from '../complaints.ts'
import { makeFolder } from '../durable.ts'
import { storedPosition } from './admission.ts'
import type { StoredOffset } from './compressed-newcomers.ts'
import { sourcePartitionOf } from './file-identity.ts'
import type { Member } from './log-family.ts'
import { rotationBase } from './rotation-names.ts'

export interface HousekeeperOptions {
  readonly policy: 'none' | 'move' | 'delete'
  /** Where `move` moves to. */
  readonly folder: string | null
  /** How long a file must have been read, committed and unchanged. */
  readonly idleMs: number
  /** How long positions of files that are gone are kept: something made of them may still turn up. */
  readonly forgetAfterMs: number
  readonly isOurs: (rotationBase: string) => boolean
}

interface Quiet {
  readonly size: number
  readonly modifiedMs: number
  readonly sinceMs: number
}

export class Housekeeper {
  readonly #options: HousekeeperOptions
  readonly #log: Pick<Log, 'info' | 'warn'>
  readonly #complaints: Complaints
  /** By the key of the file. */
  readonly #quiet = new Map<string, Quiet>()
  /** Identity → since when no file has it. */
  readonly #gone = new Map<string, number>()

  constructor(options: HousekeeperOptions, log: Pick<Log, 'info' | 'warn'>) {
    this.#options = options
    this.#log = log
    this.#complaints = new Complaints(log)
  }

  /** Moves or deletes files that are done with. Files whose writers come back are not for this. */
  clean(files: readonly Member[], stored: readonly StoredOffset[], nowMs: number): void {
    const committed = new Map(stored.map(([partition, offset]) => [identityOf(partition), storedPosition(offset)?.position ?? -1]))
    const listed = files.filter(({ file, listed: isListed }) => isListed && file.identity !== undefined && dirname(file.path) !== this.#options.folder)
    for (const { file } of listed) {
      if (file.unreadBytes > 0 || committed.get(identityOf(sourcePartitionOf(file.identity!))) !== file.position) this.#quiet.delete(file.key)
      else this.#cleanIfQuiet(file, nowMs)
    }
    const keys = new Set(listed.map(({ file }) => file.key))
    for (const key of this.#quiet.keys()) if (!keys.has(key)) this.#quiet.delete(key)
  }

  /** Positions of files that have been gone for long, to be forgotten. */
  collect(files: readonly Member[], stored: readonly StoredOffset[], nowMs: number): SourcePosition[] {
    const present = new Set(files.flatMap(({ file }) => (file.identity === undefined ? [] : [identityOf(sourcePartitionOf(file.identity))])))
    const forgotten: SourcePosition[] = []
    const seen = new Set<string>()
    for (const [sourcePartition, { path }] of stored) {
      if (typeof path === 'string' && !this.#options.isOurs(rotationBase(path))) continue
      const identity = identityOf(sourcePartition)
      seen.add(identity)
      if (present.has(identity)) {
        this.#gone.delete(identity)
      } else {
        const sinceMs = this.#gone.get(identity) ?? nowMs
        this.#gone.set(identity, sinceMs)
        if (nowMs - sinceMs >= this.#options.forgetAfterMs) forgotten.push({ sourcePartition, sourceOffset: null })
      }
    }
    for (const identity of this.#gone.keys()) if (!seen.has(identity)) this.#gone.delete(identity)
    return forgotten
  }

  #cleanIfQuiet(file: Member['file'], nowMs: number): void {
    try {
      const stats = statSync(file.path, { bigint: true })
      const [size, modifiedMs] = [Number(stats.size), Number(stats.mtimeMs)]
      const before = this.#quiet.get(file.key)
      const isSame = `${stats.dev}:${stats.ino}` === file.key && (file.isSpooled || size === file.position)
      if (!isSame || before?.size !== size || before.modifiedMs !== modifiedMs) {
        this.#quiet.delete(file.key)
        if (isSame) this.#quiet.set(file.key, { size, modifiedMs, sinceMs: nowMs })
      } else if (nowMs - before.sinceMs >= this.#options.idleMs) {
        file.close()
        this.#takeAway(file.path)
        this.#quiet.delete(file.key)
      }
      this.#complaints.settle(`clean:${file.path}`, `${file.path} can be cleaned up again`)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT') this.#complaints.say(`clean:${file.path}`, `${file.path} was read but cannot be cleaned up (cleanup.policy=${this.#options.policy}): ${code ?? String(error)}`)
    }
  }

  #takeAway(path: string): void {
    if (this.#options.policy === 'delete') {
      unlinkSync(path)
      this.#log.info(`${path} was read and committed: deleted`)
      return
    }
    makeFolder(this.#options.folder!)
    const target = freeName(join(this.#options.folder!, basename(path)))
    moveFile(path, target)
    this.#log.info(`${path} was read and committed: moved to ${target}`)
  }
}

function identityOf(partition: SourcePartition): string {
  return `${partition['device']}:${partition['inode']}:${partition['fingerprint']}`
}

function freeName(path: string): string {
  if (!existsSync(path)) return path
  let number = 1
  while (existsSync(`${path}.${number}`)) number++
  return `${path}.${number}`
}

/** Across file systems the copy is complete and durable before the original goes. */
function moveFile(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    copyFileSync(from, to)
    const handle = openSync(to, 'r')
    fsyncSync(handle)
    closeSync(handle)
    unlinkSync(from)
  }
}
