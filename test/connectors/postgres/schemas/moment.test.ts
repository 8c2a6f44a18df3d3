import { expect, it } from 'vitest'
import { daysOf, dayText, intervalMicros, timeMicros, timestampMicros, timestampText, timeText } from '../../../../connectors/postgres/schemas/moment.ts'

it('counts days and microseconds as PostgreSQL writes them, from years before Christ to beyond those of a Date, and writes them back', () => {
  const days = { '1970-01-01': 0, '2026-11-21': 20_778, '2000-02-29': 11_016, '1969-12-31': -1, '0001-01-01': -719_162, '0001-12-31 BC': -719_163, '0044-03-15 BC': -735_160, '275760-09-13': 100_000_000, 'infinity': 2_147_483_647, '-infinity': -2_147_483_648 }
  for (const [text, count] of Object.entries(days)) expect([daysOf(text), dayText(count)]).toEqual([count, text])
  const many = Array.from({ length: 20_000 }, (_, index) => 97 * index - 1_000_000)
  expect(many.filter((count) => daysOf(dayText(count)) !== count)).toEqual([])
  expect(['07:00:00.25', '24:00:00', '00:00:00.000001'].map(timeMicros)).toEqual([25_200_250_000, 86_400_000_000, 1])
  expect(timeText(25_200_250_000n)).toBe('07:00:00.250000')
  const moments = { '2026-11-21 07:00:00.500000': 1_795_244_400_500_000n, '1969-12-31 23:59:59.999999': -1n, '0044-03-15 12:00:00.000000 BC': -63_517_780_800_000_000n, 'infinity': 9_223_372_036_825_200_000n }
  for (const [text, micros] of Object.entries(moments)) expect([timestampMicros(text.replace(' ', 'T')), timestampText(micros)]).toEqual([micros, text])
})

it('counts an interval in microseconds, with months as Debezium does', () => {
  expect(['P1DT2H', 'P-1YT0.000001S', 'PT-0.5S', 'P1M', 'PT0S', 'P1Y2M3DT4H5M6.789S'].map(intervalMicros)).toEqual([93_600_000_000n, -31_557_599_999_999n, -500_000n, 2_629_800_000_000n, 0n, 37_091_106_789_000n])
})
