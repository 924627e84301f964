/** How a list is asked for page by page. */
import { Type } from 'typebox'

export const PageQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: '100 unless told' })),
    after: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: '`next` of the page before' })),
  },
  { additionalProperties: false },
)

/** The page in the words of the register. */
export const pageOf = ({
  limit = 100,
  after,
}: {
  limit?: number
  after?: string
}): { limit: number; after?: string } => ({
  limit,
  ...(after === undefined ? {} : { after }),
})
