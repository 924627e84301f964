import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import App from './app.vue'
import './tokens.css'
import './base.css'
import './preferences/appearance.ts'
import OperationsDesk from './screens/operations-desk.vue'
import SignIn from './screens/sign-in.vue'
import { readSession, signedIn } from './session/session.ts'
import './words/words.ts'

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/ops' },
    { path: '/sign-in', name: 'sign-in', component: SignIn },
    { path: '/ops', name: 'operations-desk', component: OperationsDesk },
    { path: '/:other(.*)*', redirect: '/ops' },
  ],
})

router.beforeEach(async (to) => {
  if (signedIn.value !== undefined) return true
  if (to.name === 'sign-in' && to.query['reason'] !== undefined) return true
  try {
    await readSession()
  } catch {
    return to.name === 'sign-in' ? true : { name: 'sign-in', query: { reason: 'away', next: to.fullPath } }
  }
  if (to.name === 'operations-desk' && signedIn.value === undefined)
    return { name: 'sign-in', query: to.fullPath === '/ops' ? {} : { next: to.fullPath } }
  return true
})

createApp(App).use(router).mount('#view')
