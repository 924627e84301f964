/** The lists that the alarm queue can show. */
export const QUEUE_TABS = ['waiting', 'acknowledged', 'all'] as const
export type QueueTab = (typeof QUEUE_TABS)[number]
