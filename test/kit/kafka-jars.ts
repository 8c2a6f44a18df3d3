/**
 * Apache Kafka without Docker: the jars of Maven Central, fetched once into the user's cache folder, run by the Java of
 * this machine. Also runs Kafka's own command line tools, so that tests can ask them whether they agree with us.
 */
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const kafkaVersion = '4.3.1'

/** The reason why there is no Kafka here, for the person who wants to change that. */
export class KafkaUnavailable extends Error {
  override readonly name = 'KafkaUnavailable'
}

/** `java` arguments before the main class: small and quick to start, because brokers share the machine with the tests. */
export const javaOptions = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xms64m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.showDateTime=true']

/** The archive of the classes that a broker loads; `startKafka` makes it. */
export function classArchive(): string {
  return join(kafkaCacheFolder(), 'broker.jsa')
}

/** `java` arguments that load classes from the archive, in half the time. Where there is none, or Java cannot use it, it goes without, and says nothing. */
export function archiveOptions(): readonly string[] {
  return existsSync(classArchive()) ? [`-XX:SharedArchiveFile=${classArchive()}`, '-Xlog:disable'] : []
}

/** Also of the benches, which are run from what was built. */
export const kitFolder = join(dirname(fileURLToPath(import.meta.url)).replace(/([/\\])dist\1test\1/, '$1test$1'), 'kafka')

function kafkaCacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-test', `kafka-${kafkaVersion}`)
}

/** The class path of broker and tools; the first call on a machine fetches the jars. @throws KafkaUnavailable */
export function kafkaClassPath(): string {
  return classPathOf('libs', join(kitFolder, 'pom.xml'))
}

/** The class path of Kafka's own file connectors, beside that of a worker. @throws KafkaUnavailable */
export function fileConnectorsClassPath(): string {
  return classPathOf('libs-connect-file', join(kitFolder, 'connect', 'pom.xml'))
}

function classPathOf(folder: string, pomFile: string): string {
  const libs = join(kafkaCacheFolder(), folder)
  if (!hasProgram('java')) throw new KafkaUnavailable('no Kafka: MILLRACE_TEST_KAFKA is not set, there is no Docker socket, and no java on PATH')
  if (!existsSync(libs)) fetchJars(libs, pomFile)
  return join(libs, '*')
}

/** Whether Kafka's own tools can be run here, wherever the brokers are. */
export function hasKafkaTools(): boolean {
  return existsSync(join(kafkaCacheFolder(), 'libs')) ? hasProgram('java') : hasProgram('java') && hasProgram('mvn')
}

function hasProgram(name: string): boolean {
  return spawnSync(name, ['-version'], { stdio: 'ignore' }).error === undefined
}

/** Into a folder of its own first: two test runs may fetch at the same time, and the one that is later throws its copy away. */
function fetchJars(libs: string, pomFile: string): void {
  if (!hasProgram('mvn')) throw new KafkaUnavailable('no Kafka: there is java, but no mvn on PATH to fetch the jars with')
  mkdirSync(kafkaCacheFolder(), { recursive: true })
  const fresh = mkdtempSync(join(kafkaCacheFolder(), 'fetch-'))
  const options = ['-q', '-B', '-f', pomFile, 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`]
  const { status, stdout, stderr } = spawnSync('mvn', options, { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    throw new KafkaUnavailable(`no Kafka: Maven could not fetch its jars: ${(stdout + stderr).slice(-1000)}`)
  }
  try {
    renameSync(fresh, libs)
  } catch {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/**
 * Makes a broker's data folder what `kafka-storage format` would make it. The tool runs once per machine; its one file
 * with contents (the feature levels) is copied from then on, which saves a JVM for every broker started.
 */
export function formatDataFolder(folder: string, nodeId: number, clusterId: string): void {
  mkdirSync(folder, { recursive: true })
  copyFileSync(formattedCheckpoint(), join(folder, 'bootstrap.checkpoint'))
  const directoryId = Buffer.from(`millrace-node-${String(nodeId).padStart(2, '0')}`).toString('base64url')
  writeFileSync(join(folder, 'meta.properties'), `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${directoryId}\n`)
}

function formattedCheckpoint(): string {
  const checkpoint = join(kafkaCacheFolder(), 'bootstrap.checkpoint')
  if (existsSync(checkpoint)) return checkpoint
  const home = mkdtempSync(join(tmpdir(), 'millrace-kafka-format-'))
  const properties = join(home, 'server.properties')
  const lines = ['process.roles=broker,controller', 'node.id=1', 'controller.quorum.voters=1@127.0.0.1:9093', 'controller.listener.names=CONTROLLER',
    'listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093', 'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT', `log.dirs=${home}/data`]
  writeFileSync(properties, lines.join('\n'))
  const command = [...javaOptions, '-cp', kafkaClassPath(), 'kafka.tools.StorageTool', 'format', '-t', 'TWlsbHJhY2VUZXN0S2l0MQ', '-c', properties]
  const { status, stdout, stderr } = spawnSync('java', command, { encoding: 'utf8' })
  if (status !== 0) throw new KafkaUnavailable(`no Kafka: its storage tool failed: ${(stdout + stderr).slice(-1000)}`)
  writeFileSync(`${checkpoint}.${process.pid}`, readFileSync(join(home, 'data', 'bootstrap.checkpoint')))
  renameSync(`${checkpoint}.${process.pid}`, checkpoint)
  rmSync(home, { recursive: true, force: true })
  return checkpoint
}

/** Runs one of Kafka's own tools, such as `org.apache.kafka.tools.TopicCommand`, and returns what it printed. Fails when the tool does. */
export async function runKafkaTool(mainClass: string, options: readonly string[], input = ''): Promise<string> {
  return runJava(['-Xmx128m', ...javaOptions, ...archiveOptions(), '-cp', kafkaClassPath(), mainClass], options, input)
}

/** Compiles the Kafka Streams programs of `kafka/streams` in memory, and runs them to the end of their topics. The first call on a machine fetches jars. */
export function runKafkaStreams(options: readonly string[]): Promise<string> {
  return runStreamsProgram('Programs.java', ['-Xmx256m', ...javaOptions], options)
}

async function runStreamsProgram(file: string, settings: readonly string[], options: readonly string[]): Promise<string> {
  const folder = join(kitFolder, 'streams')
  const libs = classPathOf('libs-streams', join(folder, 'pom.xml'))
  const state = mkdtempSync(join(tmpdir(), 'millrace-kafka-streams-'))
  try {
    return await runJava([...settings, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', `-Djava.io.tmpdir=${state}`, '-cp', libs, join(folder, file)], options)
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

/**
 * Runs one of the programs of `kafka/streams/Measured.java`, whose options are said there, in a Java that compiles as well as it can.
 * The seconds are from its first record to its last; CPU is that of its process.
 */
export async function measureKafkaStreams(options: readonly string[]): Promise<{ readonly seconds: number; readonly cpuSeconds: number }> {
  const printed = await runStreamsProgram('Measured.java', ['-Xmx1g'], options)
  return JSON.parse(printed.trimEnd().split('\n').at(-1)!) as { seconds: number; cpuSeconds: number }
}

/**
 * Runs scenarios (test/vectors/streams/FORMAT.md), one a line and without what happens, in Kafka Streams' TopologyTestDriver, and
 * gives them with all that was seen. The first call on a machine fetches jars.
 */
export async function recordScenarios(lines: string): Promise<string> {
  const folder = join(kitFolder, 'streams', 'recorder')
  const libs = classPathOf('libs-streams-recorder', join(folder, 'pom.xml'))
  const work = mkdtempSync(join(tmpdir(), 'millrace-recorder-'))
  const classes = join(work, 'classes')
  try {
    const sources = readdirSync(folder).filter((name) => name.endsWith('.java')).map((name) => join(folder, name))
    await run('javac', ['-nowarn', '-Xlint:none', '-cp', libs, '-d', classes, ...sources], [])
    const settings = ['-Xmx1g', ...javaOptions, '-Dorg.slf4j.simpleLogger.defaultLogLevel=off']
    return await runJava([...settings, '-cp', [classes, libs].join(delimiter), 'recorder.Recorder'], [work], lines)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function runJava(program: readonly string[], options: readonly string[], input = ''): Promise<string> {
  return run('java', program, options, input)
}

async function run(command: string, program: readonly string[], options: readonly string[], input = ''): Promise<string> {
  const tool = spawn(command, [...program, ...options])
  tool.stdin.on('error', () => undefined).end(input)
  const [stdout, stderr, status] = await Promise.all([
    text(tool.stdout),
    text(tool.stderr),
    new Promise<number | null>((resolve, reject) => tool.once('error', reject).once('close', resolve)),
  ])
  if (status !== 0) throw new Error(`${program.at(-1)} ended with ${status}:\n${stdout}\n${stderr}`)
  return stdout
}
