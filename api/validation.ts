/** Checks requests against TypeBox schemas. Text of the path and the query becomes a number only where it is written as one. */
import type { FastifySchemaCompiler } from 'fastify'
import { Type, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

const WHOLE_NUMBER = /^-?(0|[1-9][0-9]{0,15})$/

export const validatorOf: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checked = Compile(schema)
  const integers = httpPart === 'body' ? [] : integerNames(schema)
  const mayBeAbsent = httpPart === 'body' && Type.IsOptional(schema)
  return (given: unknown) => {
    if (mayBeAbsent && (given === undefined || given === null)) return { value: undefined }
    const value = readIntegers(given, integers)
    return checked.Check(value) ? { value } : { error: checked.Errors(value) as never }
  }
}

function integerNames(schema: TSchema): string[] {
  const properties = (schema as { properties?: Record<string, { type?: unknown }> }).properties ?? {}
  return Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
}

function readIntegers(given: unknown, names: readonly string[]): unknown {
  if (names.length === 0 || typeof given !== 'object' || given === null) return given
  const copy: Record<string, unknown> = { ...given }
  for (const name of names) {
    const text = copy[name]
    if (typeof text === 'string' && WHOLE_NUMBER.test(text)) copy[name] = Number(text)
  }
  return copy
}
