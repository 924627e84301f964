/**
 * Every refusal that a caller may rightly meet: a stable code, the HTTP status it becomes, and what to say to people.
 * `api` turns them into RFC 9457 problem details; the broker and ingest count them by code.
 */
export const ERRORS = {
  'request.invalid': { status: 400, zh: '请求不符合接口约定', en: 'The request does not match the interface' },
  'request.tooLarge': { status: 413, zh: '请求内容过大', en: 'The request is too large' },
  'request.tooMany': { status: 429, zh: '请求过于频繁，请稍后再试', en: 'Too many requests, try again later' },
  'request.foreignOrigin': {
    status: 403,
    zh: '请求来自其他网站，已拒绝',
    en: 'The request came from another site and was refused',
  },
  'session.missing': { status: 401, zh: '请先登录', en: 'Sign in first' },
  'session.refused': { status: 401, zh: '用户名或密码不正确', en: 'User name or password is wrong' },
  'session.lockedOut': {
    status: 429,
    zh: '尝试次数过多，请 5 分钟后再试',
    en: 'Too many attempts, try again in 5 minutes',
  },
  'role.forbidden': { status: 403, zh: '当前角色无权进行此操作', en: 'Your role may not do this' },
  notFound: { status: 404, zh: '没有找到，或不在您的管理范围内', en: 'Not found, or outside your scope' },
  'alarm.wrongState': { status: 409, zh: '报警状态已变化，操作未执行', en: 'The alarm has changed; nothing was done' },
  'terminal.exists': { status: 409, zh: '该终端序列号已登记', en: 'This serial number is registered already' },
  'terminal.revoked': { status: 409, zh: '终端已吊销，请先恢复', en: 'The terminal is revoked; restore it first' },
  'claim.refused': {
    status: 403,
    zh: '认领码不正确、已使用或已过期',
    en: 'The claim code is wrong, used or expired',
  },
  'claim.lockedOut': {
    status: 429,
    zh: '认领码错误次数过多，请 5 分钟后再试',
    en: 'Too many wrong claim codes, try again in 5 minutes',
  },
  'history.badRange': { status: 400, zh: '时间范围不正确', en: 'The time range is wrong' },
  'history.unknownField': { status: 400, zh: '没有这个监测量', en: 'There is no such measured field' },
  'history.badCursor': {
    status: 400,
    zh: '续读位置无效，请从第一页重新读取',
    en: 'This is not where a page of this list ended; read from the first page',
  },
  'figures.tooManyLifts': {
    status: 422,
    zh: '管理范围内的电梯过多，无法一次合计，请分页读取后相加',
    en: 'Too many lifts are in your scope for one total; add up the pages',
  },
  'export.tooMany': {
    status: 429,
    zh: '同时进行的导出过多，请稍后再试',
    en: 'Too many exports at one time, try again later',
  },
  'store.away': {
    status: 503,
    zh: '数据库暂时不可用，已接收的数据都已保留',
    en: 'A store is away for the moment; nothing accepted is lost',
  },
  internal: { status: 500, zh: '服务器内部错误，已记录', en: 'Internal error; it has been recorded' },
} as const satisfies Record<string, { status: number; zh: string; en: string }>

export type ErrorCode = keyof typeof ERRORS

/** Why a connection, a publication or a subscription of a device is refused at the door (broker). The refusal is counted by this code. */
export const ADMISSION_REFUSALS = {
  'admission.badCredentials': 'unknown terminal or wrong secret',
  'admission.badCertificate': 'client certificate is not valid, revoked, or of another terminal',
  'admission.badHandshake': 'TLS handshake failed',
  'admission.lockedOut': 'too many wrong secrets from there; refused unread for a while',
  'admission.tooOften': 'terminal connects too often',
  'admission.badClientId': 'client id is too long, or empty without clean session',
  'admission.revoked': 'terminal is revoked or bound to no lift',
  'admission.version': 'another version of MQTT than 3.1.1',
  'admission.protocol': 'breaks the rules of MQTT 3.1.1',
  'admission.busy': 'too many sign-ins waiting',
  'admission.full': 'the most connections at one time are open',
  'admission.fullAddress': 'too many connections from one address',
  'admission.halfOpen': 'too many connections are not signed in yet',
  'admission.halfOpenAddress': 'too many connections from one address are not signed in yet',
  'admission.timeout': 'no CONNECT, or no answer about it, in time',
  'admission.silent': 'nothing was heard for one and a half keep alives',
  'admission.slowReader': 'does not read what it is sent',
  'admission.flood': 'more PINGREQ, SUBSCRIBE and UNSUBSCRIBE than a terminal needs',
  'admission.foreignTopic': 'topic is not one of this terminal',
  'admission.foreignWill': 'will is not on the connection topic of this terminal',
  'admission.subscribe': 'devices may subscribe to nothing',
  'admission.tooManyFilters': 'too many filters in one SUBSCRIBE or UNSUBSCRIBE',
  'admission.qos': 'QoS 2 is not taken',
  'admission.tooLarge': 'packet or payload is too large',
  'admission.badString': 'ill-formed UTF-8, U+0000, a control character or a non-character in a string',
  'admission.storeAway': 'the journal cannot take messages now',
  'admission.registerAway': 'the register cannot say now who this terminal is',
} as const
export type AdmissionRefusal = keyof typeof ADMISSION_REFUSALS

/** Why a subscriber to `alarms/v1/…` (api, northbound) is refused or cut. It is counted by this code. */
export const SUBSCRIBER_REFUSALS = {
  'subscriber.full': 'too many connections, in all or of this person',
  'subscriber.tooOften': 'too many connections from one address within a minute',
  'subscriber.protocol': 'not MQTT 3.1.1, or malformed',
  'subscriber.session': 'asks for a session that outlives the connection, or leaves a will',
  'subscriber.tooLarge': 'packet is too large',
  'subscriber.timeout': 'no CONNECT, or no answer about it, in time',
  'subscriber.badCredentials': 'user name or password is wrong, or locked out',
  'subscriber.forbidden': 'role may not read alarms',
  'subscriber.busy': 'too many sign-ins at one moment, or the register is away',
  'subscriber.publish': 'subscribers publish nothing',
  'subscriber.filter': 'filter is malformed, not below alarms/v1/, or one too many',
  'subscriber.flood': 'more PINGREQ, SUBSCRIBE and UNSUBSCRIBE than a program needs',
  'subscriber.slow': 'does not read what it is sent',
  'subscriber.changed': 'person was removed, or has another password, role or organisation',
  'subscriber.missed': 'open alarms could not be read',
} as const
export type SubscriberRefusal = keyof typeof SUBSCRIBER_REFUSALS

/** Why an acknowledged message was put in quarantine (ingest). */
export const QUARANTINE_REASONS = {
  'payload.notJson': { zh: '不是有效的 JSON', en: 'not valid JSON in UTF-8' },
  'payload.tooLarge': { zh: '超过 16 KiB', en: 'larger than 16 KiB' },
  'payload.schema': { zh: '不符合报文格式', en: 'does not match the schema' },
  'payload.version': { zh: '报文版本不支持', en: 'a version we do not speak' },
  'payload.codeSet': { zh: '没有代码集，或代码集未知', en: 'code set is missing or unknown' },
  'lift.foreign': { zh: '电梯与终端绑定不符', en: 'the lift is not the one this terminal is bound to' },
  'lift.unknown': { zh: '电梯未登记', en: 'the lift is not registered' },
  'time.tooOld': { zh: '采样时间早于 30 天', en: 'sampled more than 30 days ago' },
  'time.future': { zh: '采样时间超前 5 分钟以上', en: 'sampled more than 5 minutes in the future' },
  'topic.unknown': { zh: '未知主题', en: 'unknown topic' },
  'store.refused': { zh: '时序库拒收', en: 'the telemetry store refused the point' },
} as const satisfies Record<string, { zh: string; en: string }>
export type QuarantineReason = keyof typeof QUARANTINE_REASONS

/** What may rightly be refused is a value; what cannot happen throws. */
export type Result<T, Code extends string = ErrorCode> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: Code; readonly detail: string }

export const accept = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value })
export const refuse = <Code extends string>(code: Code, detail: string) => ({ ok: false, code, detail }) as const
