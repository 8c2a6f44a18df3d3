import { expect, it } from 'vitest'
import { lsnText, parseLsn } from '../../../../connectors/postgres/cdc/lsn.ts'

it.each(['0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF', '1/A'])('%s stays what it is', (text) => expect(lsnText(parseLsn(text))).toBe(text))

it('orders positions as numbers', () => expect(parseLsn('2/0') > parseLsn('1/FFFFFFFF')).toBe(true))

it('refuses anything else', () => expect(() => parseLsn('16-1')).toThrow('is not a position'))
