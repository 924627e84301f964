/** How one gets from one dashboard to the other. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import { DashboardLinkBuilder, DashboardLinkType, type DashboardLink } from '@grafana/grafana-foundation-sdk/dashboard'
import { DASHBOARDS } from './layout.ts'

/** A link above the panels that keeps the range. The builder's own default would hide it in a menu. */
export class VisibleLink implements Builder<DashboardLink> {
  readonly #title: string
  readonly #url: string

  constructor(title: string, url: string) {
    this.#title = title
    this.#url = url
  }

  build(): DashboardLink {
    const builder = new DashboardLinkBuilder(this.#title).type(DashboardLinkType.Link).url(this.#url).keepTime(true)
    const { placement: _inMenu, ...link } = builder.build()
    return link
  }
}

/** From a row to the dashboard of its lift. The filter is carried too, so that the list of the variable holds this very lift. */
export const liftLink = () => ({
  title: '打开单梯 Open the lift',
  url: `/d/${DASHBOARDS.lift.uid}?var-lift=\${__value.raw}&var-find=\${__value.raw}&\${__url_time_range}`,
})
