/** Blocks of PEM files (RFC 7468 §2), taken only when all of them are whole: a file may be read while somebody writes it. */

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^]+?-----END \1-----/g
/** What a file that was cut off leaves behind its last whole block. */
const CUT_OFF = /-----(?:BEGIN|END) |(?:^|\n)-{1,5}[BEGIN]{0,5}\s*$/

/**
 * The blocks of these labels, such as `CERTIFICATE`; none when the file is not PEM. Throws a reason for people when a block is
 * cut short, or is of another kind.
 */
export function pemBlocks(file: Buffer, ...labels: readonly string[]): string[] {
  const text = file.toString('latin1')
  if (!text.includes('-----BEGIN ')) return []
  requireWholeBlocks(text)
  const blocks = [...text.matchAll(BLOCK)]
  const stranger = blocks.find(([, label = '']) => !labels.includes(label))
  if (stranger !== undefined) throw new Error(`holds “${stranger[1] ?? ''}” where only “${labels[0] ?? ''}” belongs`)
  return blocks.map(([block]) => block)
}

/** Throws a reason for people when a PEM file ends in the middle of a block, of whatever kind. */
export function requireWholeBlocks(text: string): void {
  if (CUT_OFF.test(text.replace(BLOCK, ''))) throw new Error('ends in the middle of a block; write it anew')
}
