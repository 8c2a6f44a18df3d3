/** A position in the write-ahead log: a byte count, written as two hexadecimal halves, `16/B374D848`. */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (!match) throw new RangeError(`${JSON.stringify(text)} is not a position in the write-ahead log`)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/** The changes of a transaction share their positions: the same few texts are asked for again and again. */
const recent: { lsn: bigint; text: string }[] = []

export function lsnText(lsn: bigint): string {
  const known = recent.find((each) => each.lsn === lsn)
  if (known !== undefined) return known.text
  const text = written(lsn)
  recent.unshift({ lsn, text })
  recent.length = Math.min(recent.length, 4)
  return text
}

function written(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}
