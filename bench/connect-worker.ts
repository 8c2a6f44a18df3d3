/**
 * What a Connect worker costs before it moves a record: the time until it is ready, requests a second of its REST API, and the
 * memory of an idle task, in a thread of its own and inside the worker. `node dist/bench/connect-worker.js`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep, systemClock } from 'millrace/connect'
import { setExtraCertificatesAside } from '../test/kit/extra-certificates.ts'
import { benchDirectory } from './harness.ts'

setExtraCertificatesAside(process.env)
const cli = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))
const directory = benchDirectory()
const idleTasks = 8
const requests = 3000
const starts = 5
let ports = 0

interface Worker {
  readonly url: string
  readonly pid: number
  /** From the start of the process until /health answers 200. */
  readonly readyMs: number
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function startWorker(host: 'thread' | 'in-process'): Promise<Worker> {
  const url = `http://127.0.0.1:${await freePort()}`
  const name = `worker-${ports++}`
  const config = join(directory.path, `${name}.json`)
  writeFileSync(config, JSON.stringify({ 'listeners': url, 'task.host': host, 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' }))
  const begin = performance.now()
  const child = spawn(process.execPath, [cli, 'connect', 'standalone', config, '--data', join(directory.path, name)], { stdio: 'ignore' })
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`the worker ended with ${child.exitCode}`)
    await sleep(systemClock, 2)
  }
  const readyMs = performance.now() - begin
  const stop = async () => {
    child.kill()
    await once(child, 'exit')
  }
  return { url, pid: child.pid!, readyMs, stop }
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then((answer) => answer.ok, () => false)
}

/** Resident memory of a process of Linux. */
function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

function report(name: string, figures: Readonly<Record<string, number>>): void {
  console.log(JSON.stringify({ name, ...Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(4))])) }))
}

async function benchStart(): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < starts; i++) {
    const worker = await startWorker('thread')
    times.push(worker.readyMs)
    await worker.stop()
  }
  report('connect-worker-ready', { medianMs: times.toSorted((a, b) => a - b)[starts >> 1]!, worstMs: Math.max(...times) })
}

async function createIdle(url: string, name: string): Promise<void> {
  const file = join(directory.path, 'nothing.txt')
  const config = { 'connector.class': 'FileStreamSource', 'topic': 'nothing', file }
  const answer = await fetch(`${url}/connectors/${name}/config`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(config) })
  if (!answer.ok) throw new Error(await answer.text())
  const isRunning = async () => (await (await fetch(`${url}/connectors/${name}/status`)).text()).includes('"id":0,"state":"RUNNING"')
  while (!(await isRunning())) await sleep(systemClock, 20)
}

/** The first task brings code that all share, so it is not counted. */
async function benchIdleTasks(host: 'thread' | 'in-process'): Promise<void> {
  const worker = await startWorker(host)
  try {
    await createIdle(worker.url, 'first')
    await sleep(systemClock, 2000)
    const before = rssMb(worker.pid)
    for (let task = 0; task < idleTasks; task++) await createIdle(worker.url, `idle-${task}`)
    await sleep(systemClock, 5000)
    const after = rssMb(worker.pid)
    report(`connect-idle-task-${host}`, { rssMbPerTask: (after - before) / idleTasks, workerRssMb: before })
  } finally {
    await worker.stop()
  }
}

async function benchRest(): Promise<void> {
  const worker = await startWorker('in-process')
  try {
    await createIdle(worker.url, 'asked')
    for (const path of ['/connectors', '/connectors/asked/status', '/connectors?expand=status&expand=info']) {
      const ask = async (count: number) => {
        for (let i = 0; i < count; i++) await (await fetch(worker.url + path)).arrayBuffer()
      }
      await ask(requests / 10)
      const begin = performance.now()
      await Promise.all(Array.from({ length: 8 }, () => ask(requests / 8)))
      report(`connect-rest GET ${path}`, { requestsPerSecond: requests / ((performance.now() - begin) / 1000) })
    }
  } finally {
    await worker.stop()
  }
}

writeFileSync(join(directory.path, 'nothing.txt'), '')
try {
  await benchStart()
  await benchIdleTasks('thread')
  await benchIdleTasks('in-process')
  await benchRest()
} finally {
  directory.remove()
}
