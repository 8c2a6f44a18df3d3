import { configSpec, option } from 'millrace/connect'
import type { ConfigOf } from 'millrace/connect'
import { z } from 'zod'
import { formatOptions, formatRules } from './formats/format-config.ts'

const positive = z.number().min(1)

const options = {
  path: option.list({
    doc: 'The files to read: paths or globs (*, ?, [a-z], {a,b}, ** for any depth), separated by commas. Files that rotation renames beside them are followed without being named here.',
    default: [],
  }),
  file: option.string({ doc: 'Another name for `path`, for one file.', default: null }),
  exclude: option.list({ doc: 'Files not to read although `path` names them: paths or globs.', default: [] }),
  topic: option.string({ doc: 'The topic that gets one record a line.', check: z.string().min(1) }),
  compressed: option.boolean({ doc: 'Read files whose names end in .gz or .zst, too: each once, when it is whole. Node before 22.15 reads .zst only up to 64 MiB.', default: true }),
  'compressed.max.bytes': option.long({ doc: 'Most bytes that a compressed file may inflate to. They are kept in a nameless temporary file while they are read.', default: 10 * 1024 ** 3, check: positive }),
  'temporary.folder': option.string({ doc: 'Where that file is made. Default: the folder of the system.', default: null }),
  'start.position': option.oneOf(['beginning', 'end'], {
    doc: 'Where to begin in files that exist at the first start and have no stored position. Files that come later are read from their beginning.',
    default: 'beginning',
  }),
  'ignore.older.ms': option.long({ doc: 'A file that was not changed for so long, and of which nothing was read yet, is left alone until it is changed; then it is read from its beginning. 0: however old.', default: 0, check: z.number().min(0) }),
  encoding: option.oneOf(['utf-8', 'bytes', 'latin1', 'utf-16', 'utf-16le', 'utf-16be'], {
    doc: 'How the bytes of files are to be understood. bytes: not at all, records hold them as they are, for a byte array converter. utf-16: a byte order mark decides, little endian without one. A byte order mark is never part of a record.',
    default: 'utf-8',
  }),
  'invalid.bytes': option.oneOf(['replace', 'bytes', 'dead-letter'], {
    doc: 'What becomes of a line that is no UTF-8. replace: U+FFFD stands for what is none. bytes: the record holds the bytes as they are. dead-letter: the line goes to `dead.letter.topic`.',
    default: 'replace',
  }),
  ...formatOptions,
  'max.line.bytes': option.int({ doc: 'Longest line, without its end. Keep it below max.message.bytes of the topic, so that a line fits into a record.', default: 1_000_000, check: z.number().min(1).max(512 * 1_048_576) }),
  'line.too.long': option.oneOf(['truncate', 'skip', 'dead-letter'], {
    doc: 'What becomes of a longer line. truncate: its beginning is a record, the header file.line.bytes holds its full length. skip: it is passed over. dead-letter: its beginning goes to `dead.letter.topic`.',
    default: 'truncate',
  }),
  'dead.letter.topic': option.string({ doc: 'The topic for lines that `line.too.long`, `bad.line` or `invalid.bytes` send there, with headers that say where they stand and what is wrong.', default: null }),
  headers: option.boolean({ doc: 'Give each record the headers file.path, file.device and file.inode.', default: false }),
  'headers.position': option.boolean({ doc: 'Give each record the header file.position: where it begins in its file, in bytes.', default: false }),
  'headers.line': option.boolean({
    doc: 'Give each record the header file.line: the number of its first line in its file, from 1. When reading goes on somewhere in a file, what stands before is read to count its lines.',
    default: false,
  }),
  'poll.interval.ms': option.int({ doc: 'Time between two looks at open files that were at their end. Watching makes it shorter.', default: 250, check: positive }),
  'rescan.interval.ms': option.int({ doc: 'Time between two looks into the folders for new, renamed and deleted files.', default: 5_000, check: positive }),
  watch: option.boolean({
    doc: 'Let the system tell of changes, to notice them sooner. Reading does not depend on it. Set false on network file systems.',
    default: true,
  }),
  'rotated.idle.ms': option.int({
    doc: 'How long a file that was rotated away must be quiet at its end before it is closed. Its last line is then given even if no newline ends it.',
    default: 30_000,
    check: z.number().min(0),
  }),
  'partial.flush.ms': option.int({
    doc: 'How long a last line without newline waits while its file does not grow, before it is given as it is. What comes later is a line of its own. The first line of a file always waits: the file is known by it. 0: lines wait for their newline.',
    default: 0,
    check: z.number().min(0),
  }),
  'cleanup.policy': option.oneOf(['none', 'move', 'delete'], {
    doc: 'What becomes of a file that was read to its end when all of it is committed, and it has not changed for cleanup.idle.ms. For files that are put into a folder whole, such as exports; not for a log whose writer goes on.',
    default: 'none',
  }),
  'cleanup.folder': option.string({ doc: 'Where cleanup.policy=move moves files. A file of the same name there is kept; the new one gets a number.', default: null }),
  'cleanup.idle.ms': option.int({ doc: 'How long a file must be unchanged before it is moved or deleted.', default: 60_000, check: z.number().min(0) }),
  'forget.after.ms': option.long({ doc: 'How long the position of a file that is gone is kept. A compressed file that is made of it in that time is recognised.', default: 86_400_000, check: z.number().min(0) }),
  'max.open.files': option.int({ doc: 'Most files open at a time, a task. The quietest are closed; their growth is noticed at a rescan.', default: 1_000, check: positive }),
  'batch.bytes': option.int({
    doc: 'Most bytes that one poll takes; a quarter of it where lines are looked into, since their values need memory. Each log gives at most a quarter of that before the next one has its turn.',
    default: 4 * 1_048_576,
    check: z.number().min(4_096).max(64 * 1_048_576),
  }),
}

export const fileSourceConfig = configSpec(options, {
  rules: (config) => ({
    ...(pathsOf(config).length === 0 ? { path: 'path must name at least one file to read' } : {}),
    ...(config['cleanup.policy'] === 'move' && config['cleanup.folder'] === null ? { 'cleanup.folder': 'cleanup.policy=move needs the name of a folder' } : {}),
    ...deadLetterRule(config),
    ...formatRules(config),
  }),
})

function deadLetterRule(config: { readonly [K in 'line.too.long' | 'invalid.bytes' | 'bad.line' | 'dead.letter.topic']: string | null }): Readonly<Record<string, string>> {
  const asking = (['line.too.long', 'invalid.bytes', 'bad.line'] as const).find((name) => config[name] === 'dead-letter')
  return asking !== undefined && config['dead.letter.topic'] === null ? { 'dead.letter.topic': `${asking}=dead-letter needs dead.letter.topic, the name of a topic` } : {}
}

/** The paths and globs to read, by whichever name they were given. */
export function pathsOf(config: { readonly path: readonly string[]; readonly file: string | null }): readonly string[] {
  return config.file === null || config.file === '' ? config.path : [...config.path, config.file]
}

export type FileSourceConfig = ConfigOf<typeof fileSourceConfig>

/** What a task gets besides: which share of the logs it reads. */
export const fileSourceTaskConfig = configSpec({
  ...options,
  'task.share': option.int({ doc: 'Which share of the logs this task reads, from 0.', default: 0, check: z.number().min(0) }),
  'task.shares': option.int({ doc: 'How many shares there are.', default: 1, check: positive }),
})

export type FileSourceTaskConfig = ConfigOf<typeof fileSourceTaskConfig>
