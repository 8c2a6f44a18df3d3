import { describe, expect, it } from 'vitest'
import { decodeLeaderData, decodeMemberData, encodeLeaderData, encodeMemberData, noLeaderData } from '../../../src/streams/runtime/member-data.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('what members of an application tell each other', () => {
  it('comes out as it went in', () => {
    const member = {
      instance: 'one', active: new Map([['0_1', { lag: 0, size: 12 }]]), standby: new Map([['1_0', { lag: 3, size: 40 }]]), endpoint: 'host:80', asksShutdown: true,
    }
    expect(decodeMemberData('m', encodeMemberData(member))).toEqual(member)
    for (const shutdown of ['none', 'asked', 'known'] as const) {
      const leader = { standbys: ['0_1', '1_0'], warmUps: ['1_0'], standbyEndpoints: new Map([['0_1', ['host:80']]]), shutdown }
      expect(decodeLeaderData(encodeLeaderData(leader))).toEqual(leader)
    }
  })

  it('says nothing when it is of another program, or damaged', () => {
    const nothing = { instance: 'm', active: new Map(), standby: new Map(), endpoint: null, asksShutdown: false }
    for (const data of [null, new Uint8Array(), Uint8Array.of(255), bytes('[]'), bytes('{"active":[1],"standby":{"0_0":[-1,"x"]},"endpoint":7,"asksShutdown":"yes"}')]) {
      expect(decodeMemberData('m', data)).toEqual(nothing)
    }
    for (const data of [null, bytes('null'), bytes('{"standbys":{},"warmUps":[1],"standbyEndpoints":[],"shutdown":1}')]) expect(decodeLeaderData(data)).toEqual(noLeaderData)
  })
})
