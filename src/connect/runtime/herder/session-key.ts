/** Workers sign what they ask of each other with a key from the config topic (KIP-507), so that nobody else can give them tasks. */
import { createHmac, generateKeySync, timingSafeEqual } from 'node:crypto'
import type { SessionKey } from './config-records.ts'

export const signatureAlgorithm = 'HmacSHA256'
const keyBits = 256

export const signatureHeader = 'x-connect-authorization'
export const algorithmHeader = 'x-connect-request-signature-algorithm'

export function newSessionKey(nowMs: number): SessionKey {
  return { key: generateKeySync('hmac', { length: keyBits }).export().toString('base64'), algorithm: signatureAlgorithm, createdAt: nowMs }
}

export function sign({ key }: SessionKey, body: string): Readonly<Record<string, string>> {
  return { [signatureHeader]: signature(key, body), [algorithmHeader]: signatureAlgorithm }
}

export function isSigned({ key }: SessionKey, body: string, given: string): boolean {
  const [wanted, own] = [Buffer.from(signature(key, body)), Buffer.from(given)]
  return wanted.length === own.length && timingSafeEqual(wanted, own)
}

function signature(key: string, body: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(body).digest('base64')
}
