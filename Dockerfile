# One image for every part; PARTS says which ones a container runs.
# Glibc, because the native packages (DuckDB, argon2) are prebuilt for it.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Scripts are left out: the only one of ours builds the view, which is done below with the sources there.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production DATA_DIR=/data
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/package.json package.json
COPY --from=build /app/dist dist
# What the built files read where the sources have it.
COPY --from=build /app/contract/generated contract/generated
COPY --from=build /app/dashboards/view/dist dashboards/view/dist

# Named volumes take over the owner of the folder that they are mounted on.
RUN mkdir /data /shared && chown node:node /data /shared
USER node
EXPOSE 8080 1883 1884 8883
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.HTTP_PORT || 8080) + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node is the first process and ends by itself on SIGTERM.
CMD ["node", "--conditions=dist", "dist/main.js"]
