/** `npm run simulate -- replay FILE`: a recording once more, through a real broker. */
import { RecordingError } from '../scenario/recording.ts'
import { recordingSource } from '../scenario/replay-source.ts'
import { parseOptions, reasonOf, WishError, type Command } from './options.ts'
import { readReplayWishes, REPLAY_OPTIONS, REPLAY_OPTIONS_HELP, runReplay } from './run-replay.ts'

const HELP = `Plays a recording through a real MQTT 3.1.1 broker, one connection for each terminal. Recordings are made by “record” and by
“run --record”.

Usage: npm run simulate -- replay FILE [options]

${REPLAY_OPTIONS_HELP}`

export const replayCommand: Command = {
  zh: '把录制的报文经真实 broker 重放',
  en: 'a recording once more, through a real broker',
  help: HELP,
  run: async (args, desk) => {
    const { values, positionals } = parseOptions(args, REPLAY_OPTIONS, 1)
    if (values.help) {
      desk.write(HELP)
      return 0
    }
    const wishes = readReplayWishes(values)
    const [path] = positionals
    if (path === undefined) throw new WishError('Which recording? Give its file: replay FILE.')
    const source = await recordingSource(path).catch((error: unknown) => {
      if (error instanceof RecordingError) throw new WishError(`${path}: ${error.message}`)
      throw new WishError(`${path}: cannot be read (${reasonOf(error)}).`)
    })
    return runReplay({ title: path, source, wishes, desk })
  },
}
