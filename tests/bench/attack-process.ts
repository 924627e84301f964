/** The attackers: a process beside the honest terminals, on their core, with the lowest priority there. */
import { setPriority } from 'node:os'
import { ATTACKS, type AttackName, type AttackQuestion } from './attacks.ts'
import { answerQuestions } from './child-process.ts'

// What is measured is what the server takes from honest terminals, not what their neighbour on the same core does.
setPriority(19)

answerQuestions(
  async (question) => {
    const { name, ...o } = question as unknown as AttackQuestion // the other end is a file of this folder
    return ATTACKS[name satisfies AttackName].run(o)
  },
  async () => {},
)
