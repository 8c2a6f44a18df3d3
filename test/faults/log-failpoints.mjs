// Named moments of a log's life, as the operations on files that they are made of. `killedAt` is a file system whose process kills
// itself with SIGKILL right before or right after such an operation. A write is torn: half of it is done.

/** By name: the operation, and the files it is about. */
export const failpoints = {
  'append': ['write', /-0\/\d+\.log$/],
  'commit': ['sync', /-0\/\d+\.log$/],
  'roll': ['open', /-0\/\d+\.log$/],
  'roll: directory': ['syncDirectory', /-0$/],
  'seal: index written': ['write', /-0\/\d+\.(index|timeindex)$/],
  'seal: index synced': ['sync', /-0\/\d+\.(index|timeindex)$/],
  'seal: snapshot': ['rename', /-0\/\d+\.snapshot\.tmp$/],
  'checkpoint: written': ['write', /millrace\.checkpoint\.tmp$/],
  'checkpoint: synced': ['sync', /millrace\.checkpoint\.tmp$/],
  'checkpoint: renamed': ['rename', /millrace\.checkpoint\.tmp$/],
  'compaction: copy': ['write', /cleaned\/\d+\.log$/],
  'compaction: copy synced': ['sync', /cleaned\/\d+\.log$/],
  'compaction: decided': ['rename', /millrace\.compaction\.tmp$/],
  'compaction: old removed': ['remove', /compacted-0\/\d+\.(log|index|timeindex)$/],
  'compaction: new in place': ['rename', /cleaned\/\d+\.\w+$/],
  'compaction: done': ['remove', /millrace\.compaction$/],
  'compaction: cleared': ['removeDirectory', /cleaned$/],
  'retention': ['remove', /retained-0\/\d+\.(log|index|timeindex|snapshot)$/],
  'log start moved': ['write', /retained-0\/leader-epoch-checkpoint/],
  'topic deletion': ['removeDirectory', /deleted-0$/],
  'topic creation': ['makeDirectory', /deleted-0$/],
}

/** Of the engine above: a transaction's records, its decision, its markers and offsets, and the catalog of topics. */
export const engineFailpoints = {
  'transaction: begin or decision': ['write', /__transaction_state-0\/\d+\.log$/],
  'transaction: decision synced': ['sync', /__transaction_state-0\/\d+\.log$/],
  'transaction: record or marker': ['write', /transfers-1\/\d+\.log$/],
  'transaction: partitions in the journal': ['write', /millrace\.journal\.\d$/],
  'transaction: journal synced': ['sync', /millrace\.journal\.\d$/],
  'transaction: offsets or their marker': ['write', /__consumer_offsets-0\/\d+\.log$/],
  'catalog: written': ['write', /catalog\.json\.tmp$/],
  'catalog: in place': ['rename', /catalog\.json\.tmp$/],
  'topic made': ['makeDirectory', /passing-1$/],
  'topic removed': ['removeDirectory', /passing-0$/],
}

function firstHalf(parts) {
  const middle = parts[parts.length >> 1]
  return [...parts.slice(0, parts.length >> 1), middle.subarray(0, middle.length >> 1)]
}

export function killedAt(fileSystem, name, count) {
  const [operation, pattern] = failpoints[name] ?? engineFailpoints[name]
  let left = count
  const kill = () => process.kill(process.pid, 'SIGKILL')
  // Even counts before the operation, odd ones after it.
  const around = (method, path, run, half) => {
    if (method !== operation || !pattern.test(path) || --left > 0) return run()
    if (count % 2 === 0) {
      half?.()
      kill()
    }
    const result = run()
    if (!(result instanceof Promise)) kill()
    return result instanceof Promise ? result.then(kill) : result
  }
  const handle = (file) => ({
    path: file.path,
    sizeBytes: () => file.sizeBytes(),
    read: (...args) => file.read(...args),
    write: (parts, position) => around('write', file.path, () => file.write(parts, position), () => file.write(firstHalf(parts), position)),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: () => around('sync', file.path, () => file.sync()),
    close: () => file.close(),
  })
  const wrapped = Object.fromEntries(['makeDirectory', 'rename', 'remove', 'removeDirectory', 'syncDirectory'].map((method) => [method, (path, ...rest) => around(method, path, () => fileSystem[method](path, ...rest))]))
  const others = Object.fromEntries(['readFile', 'stat', 'list', 'link', 'announce', 'isAnnounced'].map((method) => [method, (...args) => fileSystem[method](...args)]))
  return { ...others, ...wrapped, open: (path, mode) => around('open', path, () => handle(fileSystem.open(path, mode))) }
}
