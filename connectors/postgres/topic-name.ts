/** What a name of a table may hold and that of a topic may not becomes `_`. */
export function topicName(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]/g, '_')
}
