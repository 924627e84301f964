/** `npm run simulate -- load`: see `load/`. */
import { LOAD_HELP, readLoadWishes } from '../load/load-command-line.ts'
import { runLoad } from '../load/load-command.ts'
import { WishError, type Command } from './options.ts'
import { readTerminalsFile } from './terminals-file.ts'

export const loadCommand: Command = {
  zh: '大量终端同时在线，给 broker 加压',
  en: 'many terminals at once, to load a broker',
  help: LOAD_HELP,
  run: async (args, desk) => {
    const wishes = readLoadWishes(args)
    if (wishes === undefined) {
      desk.write(LOAD_HELP)
      return 0
    }
    const { credentialsPath, runMs } = wishes
    const terminals = credentialsPath === undefined ? undefined : (await readTerminalsFile(credentialsPath)).terminals
    if (terminals?.length === 0) throw new WishError('there are no terminals to simulate.')
    return runLoad({ wishes, terminals, stopAsked: desk.stopAsked(runMs), print: desk.print, cpuS: desk.cpuS })
  },
}
