/** The load of a benchmark as a process of its own. */
import { answerQuestions } from './child-process.ts'
import { Load, type ConnectQuestion, type RunQuestion } from './load.ts'

const load = new Load()
answerQuestions(
  async (question) => {
    // The other end is a file of this folder.
    switch (question['do']) {
      case 'connect':
        return load.connect(question as unknown as ConnectQuestion)
      case 'subscribe':
        return load.subscribe(question as unknown as { port: number; clean: boolean })
      case 'run':
        return load.run(question as unknown as RunQuestion)
      default:
        throw new Error('unknown question')
    }
  },
  async () => load.close(),
)
