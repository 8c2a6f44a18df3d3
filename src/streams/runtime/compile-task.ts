import { Subject } from 'rxjs'
import type { Observable } from 'rxjs'
import { compileNode } from '../operators/compile-node.ts'
import type { OperatorContext } from '../operators/operator-context.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'

/** A connected RxJS pipeline: push a record into the Subject of its source node, and everything downstream has happened when `next` returns. */
export interface Pipeline {
  readonly sources: ReadonlyMap<string, Subject<StreamRecord>>
  /** For nodes that choose among their children. */
  childOf(node: TopologyNode, child: string): Subject<StreamRecord> | undefined
}

/**
 * Connects the operators of a sub-topology depth first: a record has gone through a node's first child, and all below it,
 * before the second child gets it. Children are served in the order of `nodes`. A failure reaches `onError`; the pipeline
 * is dead after it.
 */
export function compileTask(nodes: readonly TopologyNode[], context: OperatorContext, onError: (error: unknown) => void): Pipeline {
  return new Compiler(nodes, context, onError).connect()
}

class Compiler {
  readonly #nodes: readonly TopologyNode[]
  readonly #context: OperatorContext
  readonly #onError: (error: unknown) => void
  readonly #children = new Map<string, TopologyNode[]>()
  /** Inputs of nodes that more than one parent feeds. */
  readonly #joints = new Map<string, Subject<StreamRecord>>()
  /** Inputs of the children of nodes that choose among them. */
  readonly #routes = new Map<string, Map<string, Subject<StreamRecord>>>()

  constructor(nodes: readonly TopologyNode[], context: OperatorContext, onError: (error: unknown) => void) {
    this.#nodes = nodes
    this.#context = context
    this.#onError = onError
    for (const node of nodes) {
      for (const parent of node.parents) this.#children.set(parent, [...(this.#children.get(parent) ?? []), node])
    }
  }

  connect(): Pipeline {
    const sources = new Map<string, Subject<StreamRecord>>()
    for (const node of this.#nodes) {
      if (node.parents.length > 0) continue
      const input = new Subject<StreamRecord>()
      sources.set(node.name, input)
      this.#connectNode(node, input)
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
      joint = new Subject<StreamRecord>()
      this.#joints.set(node.name, joint)
      this.#connectNode(node, joint)
    }
    input.subscribe(joint)
  }

  #connectNode(node: TopologyNode, input: Observable<StreamRecord>): void {
    const children = this.#children.get(node.name) ?? []
    if (choosesChildren(node)) this.#routes.set(node.name, new Map(children.map((child) => [child.name, new Subject<StreamRecord>()])))
    const output = input.pipe(compileNode(node, this.#context))
    const routes = this.#routes.get(node.name)
    if (routes !== undefined) this.#connectRoutes(children, output, routes)
    else if (children.length === 1) this.#connectInput(children[0]!, output)
    else this.#connectAll(children, output)
  }

  #connectAll(children: readonly TopologyNode[], output: Observable<StreamRecord>): void {
    const fork = new Subject<StreamRecord>()
    for (const child of children) this.#connectInput(child, fork)
    output.subscribe(children.length === 0 ? { error: this.#onError } : fork)
  }

  /** What the node sends to all goes to each route in order; what it sends to one child goes to that route. */
  #connectRoutes(children: readonly TopologyNode[], output: Observable<StreamRecord>, routes: ReadonlyMap<string, Subject<StreamRecord>>): void {
    const fork = new Subject<StreamRecord>()
    for (const child of children) {
      const route = routes.get(child.name)!
      this.#connectInput(child, route)
      fork.subscribe(route)
    }
    output.subscribe({ next: (record) => fork.next(record), error: this.#onError })
  }
}

function choosesChildren(node: TopologyNode): boolean {
  return node.kind === 'branch' || node.kind === 'processor'
}
