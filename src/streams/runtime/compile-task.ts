import type { Observable } from 'rxjs'
import { compileNode } from '../operators/compile-node.ts'
import { fuse, operate } from '../operators/operate.ts'
import type { NodeOperator, Output } from '../operators/operate.ts'
import type { OperatorContext } from '../operators/operator-context.ts'
import { Relay, RelayInput } from '../operators/relay.ts'
import type { HeadRun } from '../record-head.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'
import type { TaskMetrics } from './task-metrics.ts'

/** Where records of a source go. */
export interface SourceOutput extends Output {
  /** As `next`, of a record that was not made yet; null: it must be made. */
  readonly run: HeadRun | null
}

/** A connected RxJS pipeline: push a record into the input of its source node, and everything downstream has happened when `next` returns. */
export interface Pipeline {
  readonly sources: ReadonlyMap<string, SourceOutput>
  /** For nodes that choose among their children. */
  childOf(node: TopologyNode, child: string): Output | undefined
}

/**
 * Connects the operators of a sub-topology depth first: a record has gone through a node's first child, and all below it,
 * before the second child gets it. Children are served in the order of `nodes`. Nodes that follow each other alone call
 * each other directly, within one operator of RxJS. A failure reaches `onError`; the pipeline
 * is dead after it.
 */
export function compileTask(nodes: readonly TopologyNode[], context: OperatorContext & { readonly metrics: TaskMetrics | null }, onError: (error: unknown) => void): Pipeline {
  return new Compiler(nodes, context, onError).connect()
}

class Compiler {
  readonly #nodes: readonly TopologyNode[]
  readonly #context: OperatorContext & { readonly metrics: TaskMetrics | null }
  readonly #onError: (error: unknown) => void
  readonly #children = new Map<string, TopologyNode[]>()
  /** Inputs of nodes that more than one parent feeds. */
  readonly #joints = new Map<string, Relay>()
  /** Inputs of the children of nodes that choose among them. */
  readonly #routes = new Map<string, Map<string, Relay>>()

  readonly #operators = new Map<TopologyNode, NodeOperator>()

  constructor(nodes: readonly TopologyNode[], context: OperatorContext & { readonly metrics: TaskMetrics | null }, onError: (error: unknown) => void) {
    this.#nodes = nodes
    this.#context = context
    this.#onError = onError
    for (const node of nodes) {
      for (const parent of node.parents) this.#children.set(parent, [...(this.#children.get(parent) ?? []), node])
    }
  }

  connect(): Pipeline {
    const sources = new Map<string, SourceOutput>()
    for (const node of this.#nodes) {
      if (node.parents.length > 0) continue
      const input = new Relay()
      sources.set(node.name, input)
      this.#connectNode(node, input.output)
    }
    return { sources, childOf: (node, child) => this.#routes.get(node.name)?.get(child) }
  }

  #connectInput(node: TopologyNode, input: Observable<StreamRecord>): void {
    if (node.parents.length === 1) {
      this.#connectNode(node, input)
      return
    }
    let joint = this.#joints.get(node.name)
    if (joint === undefined) {
      joint = new Relay()
      this.#joints.set(node.name, joint)
      this.#connectNode(node, joint.output)
    }
    input.subscribe(new RelayInput(joint))
  }

  #connectNode(first: TopologyNode, input: Observable<StreamRecord>): void {
    const { last, operator } = this.#runFrom(first)
    const children = this.#children.get(last.name) ?? []
    const output = input.pipe(operator)
    const routes = this.#routes.get(last.name)
    if (routes !== undefined) this.#connectRoutes(last, children, output, routes)
    else if (children.length === 1) this.#connectInput(children[0]!, output)
    else this.#connectAll(children, output)
  }

  /** The nodes from `first` on that follow each other alone, as one operator; up to one that is more than a function of a record. */
  #runFrom(first: TopologyNode): { readonly last: TopologyNode; readonly operator: NodeOperator } {
    let last = first
    let operator = this.#operatorOf(first)
    for (;;) {
      const [child, ...others] = choosesChildren(last) ? [] : (this.#children.get(last.name) ?? [])
      if (child === undefined || others.length > 0 || child.parents.length > 1) return { last, operator }
      const both = fuse(operator, this.#operatorOf(child))
      if (both === null) return { last, operator }
      last = child
      operator = both
    }
  }

  #operatorOf(node: TopologyNode): NodeOperator {
    const known = this.#operators.get(node)
    if (known !== undefined) return known
    const children = this.#children.get(node.name) ?? []
    if (choosesChildren(node)) this.#routes.set(node.name, new Map(children.map((child) => [child.name, new Relay()])))
    const operator = this.#measured(node, children.length === 0, compileNode(node, this.#context))
    this.#operators.set(node, operator)
    return operator
  }

  /** With what counts the records that come to the node, where that is wanted. */
  #measured(node: TopologyNode, isTerminal: boolean, operator: NodeOperator): NodeOperator {
    const context = this.#context
    if (context.metrics === null) return operator
    const observe = context.metrics.observer(node, isTerminal)
    const counting = operate(node, context, (output) => (record) => {
      observe(record, context.now())
      output.next(record)
    })
    return fuse(counting, operator) ?? ((source) => operator(counting(source)))
  }

  #connectAll(children: readonly TopologyNode[], output: Observable<StreamRecord>): void {
    const fork = new Relay()
    for (const child of children) this.#connectInput(child, fork.output)
    output.subscribe(children.length === 0 ? { error: this.#onError } : fork)
  }

  /** What the node sends to all goes to each route in order, but not to the child for late records; what it sends to one child goes to that route. */
  #connectRoutes(node: TopologyNode, children: readonly TopologyNode[], output: Observable<StreamRecord>, routes: ReadonlyMap<string, Relay>): void {
    const fork = new Relay()
    for (const child of children) {
      const route = routes.get(child.name)!
      this.#connectInput(child, route.output)
      if (child.name !== lateChildOf(node)) fork.output.subscribe(route)
    }
    output.subscribe({ next: (record) => fork.next(record), error: this.#onError })
  }
}

function choosesChildren(node: TopologyNode): boolean {
  return node.kind === 'branch' || node.kind === 'processor' || lateChildOf(node) !== null
}

function lateChildOf(node: TopologyNode): string | null {
  return 'lateChild' in node ? node.lateChild : null
}
