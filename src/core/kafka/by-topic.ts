/** The elements grouped by topic, in the order in which topics appear: the shape of most of Kafka's requests. */
export function byTopic<T extends { readonly topic: string }>(elements: readonly T[]): readonly (readonly [topic: string, elements: readonly T[]])[] {
  const groups = new Map<string, T[]>()
  for (const element of elements) {
    const group = groups.get(element.topic)
    if (group === undefined) groups.set(element.topic, [element])
    else group.push(element)
  }
  return [...groups]
}
