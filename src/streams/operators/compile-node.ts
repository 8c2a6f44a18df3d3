import type { TopologyNode } from '../topology/node.ts'
import { branch } from './branch.ts'
import { bufferedStreamTableJoin } from './buffered-stream-table-join.ts'
import { filter } from './filter.ts'
import { flatMapValues } from './flat-map-values.ts'
import { flatMap } from './flat-map.ts'
import { forEach } from './for-each.ts'
import { foreignKeyAnswer } from './foreign-key-answer.ts'
import { foreignKeyLookUp } from './foreign-key-look-up.ts'
import { foreignKeyReceive } from './foreign-key-receive.ts'
import { foreignKeyResolve } from './foreign-key-resolve.ts'
import { foreignKeySubscribe } from './foreign-key-subscribe.ts'
import { joinWindow } from './join-window.ts'
import { mapAsync } from './map-async.ts'
import { mapValues } from './map-values.ts'
import { map } from './map.ts'
import { nullKeyFilter } from './null-key-filter.ts'
import { observe } from './observe.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { passThrough } from './pass-through.ts'
import { peek } from './peek.ts'
import { pipe } from './pipe.ts'
import { processor } from './processor.ts'
import { selectKey } from './select-key.ts'
import { selfJoin } from './self-join.ts'
import { sessionAggregate } from './session-aggregate.ts'
import { sink } from './sink.ts'
import { slidingAggregate } from './sliding-aggregate.ts'
import { streamAggregate } from './stream-aggregate.ts'
import { streamJoin } from './stream-join.ts'
import { streamTableJoin } from './stream-table-join.ts'
import { suppress } from './suppress.ts'
import { tableAggregate } from './table-aggregate.ts'
import { tableFilter } from './table-filter.ts'
import { tableGroupSelect } from './table-group-select.ts'
import { tableJoinMerge } from './table-join-merge.ts'
import { tableJoin } from './table-join.ts'
import { tableMapValues } from './table-map-values.ts'
import { tableSource } from './table-source.ts'
import { tableToStream } from './table-to-stream.ts'
import { tableTransformValues } from './table-transform-values.ts'
import { windowAggregate } from './window-aggregate.ts'

/** The operator of a node, by its kind. */
export function compileNode(node: TopologyNode, context: OperatorContext): NodeOperator {
  switch (node.kind) {
    case 'source': return (source) => source
    case 'sink': return sink(node, context)
    case 'filter': return filter(node, context)
    case 'nullKeyFilter': return nullKeyFilter(node, context)
    case 'map': return map(node, context)
    case 'mapValues': return mapValues(node, context)
    case 'flatMap': return flatMap(node, context)
    case 'flatMapValues': return flatMapValues(node, context)
    case 'selectKey': return selectKey(node, context)
    case 'peek': return peek(node, context)
    case 'forEach': return forEach(node, context)
    case 'passThrough': return passThrough(node, context)
    case 'branch': return branch(node, context)
    case 'pipe': return pipe(node, context)
    case 'mapAsync': return mapAsync(node, context)
    case 'observe': return observe(node, context)
    case 'processor': return processor(node, context)
    case 'streamAggregate': return streamAggregate(node, context)
    case 'windowAggregate': return windowAggregate(node, context)
    case 'slidingAggregate': return slidingAggregate(node, context)
    case 'sessionAggregate': return sessionAggregate(node, context)
    case 'tableSource': return tableSource(node, context)
    case 'tableFilter': return tableFilter(node, context)
    case 'tableMapValues': return tableMapValues(node, context)
    case 'tableToStream': return tableToStream(node, context)
    case 'tableGroupSelect': return tableGroupSelect(node, context)
    case 'tableAggregate': return tableAggregate(node, context)
    case 'tableJoin': return tableJoin(node, context)
    case 'tableJoinMerge': return tableJoinMerge(node, context)
    case 'streamTableJoin': return streamTableJoin(node, context)
    case 'bufferedStreamTableJoin': return bufferedStreamTableJoin(node, context)
    case 'joinWindow': return joinWindow(node, context)
    case 'streamJoin': return streamJoin(node, context)
    case 'selfJoin': return selfJoin(node, context)
    case 'suppress': return suppress(node, context)
    case 'tableTransformValues': return tableTransformValues(node, context)
    case 'foreignKeySubscribe': return foreignKeySubscribe(node, context)
    case 'foreignKeyReceive': return foreignKeyReceive(node, context)
    case 'foreignKeyLookUp': return foreignKeyLookUp(node, context)
    case 'foreignKeyAnswer': return foreignKeyAnswer(node, context)
    case 'foreignKeyResolve': return foreignKeyResolve(node, context)
  }
}
