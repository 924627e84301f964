/** The terminals of `reconnect`, as a process of their own. */
import { answerQuestions } from './child-process.ts'
import { ReturningTerminals } from './returning-terminals.ts'

const terminals = new ReturningTerminals()
answerQuestions(
  async (question) => {
    const port = Number(question['port'])
    const count = Number(question['count'])
    switch (question['do']) {
      case 'come':
        return terminals.comeBack(port, count)
      case 'break':
        await terminals.breakLinks()
        return terminals.comeBack(port, count)
      case 'finish':
        return { acknowledged: await terminals.finish() }
      default:
        throw new Error('unknown question')
    }
  },
  async () => void (await terminals.finish()),
)
