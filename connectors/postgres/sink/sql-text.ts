/** Writing names and values into SQL so that no name and no value can break out of it. */

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** As `quoteText`, also where the server reads a backslash as more than itself (`standard_conforming_strings`). */
export function quoteLiteral(text: string): string {
  return text.includes('\\') ? ` E${quoteText(text.replaceAll('\\', '\\\\'))}` : quoteText(text)
}

/**
 * The table for a topic, quoted: dots in the format separate schema and table, those in the topic's name belong to it.
 * `${topic}` and `{topic}` stand for the topic.
 */
export function tableName(format: string, topic: string): string {
  return format
    .split('.')
    .map((part) => quoteName(part.replaceAll('${topic}', topic).replaceAll('{topic}', topic)))
    .join('.')
}

/** PostgreSQL's text form of a one-dimensional array of texts. */
export function arrayLiteral(items: readonly (string | null)[]): string {
  const parts = items.map((item) => (item === null ? 'NULL' : arrayItem(item)))
  return `{${parts.join(',')}}`
}

const plainItem = /^[A-Za-z0-9_.:+/-]+$/

/** One text in PostgreSQL's text form of an array. */
export function arrayItem(item: string): string {
  if (plainItem.test(item) && (item.length !== 4 || item.toLowerCase() !== 'null')) return item
  return `"${/["\\]/.test(item) ? item.replace(/["\\]/g, String.raw`\$&`) : item}"`
}
