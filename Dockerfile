# whisper-transfer as a server (docs/serve.md, "Deploy"), or as a worker (docs/scale.md, deploy/compose.workers.yaml):
#   docker build -t whisper-transfer .
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -e WHISPER_TRANSFER_API_KEY=… whisper-transfer
# `npm run check:docker` runs these steps without Docker.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Scripts of packages stay off: onnxruntime's own would fetch CUDA.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The packages of workers (docs/scale.md) are optional: they are added after what only the build needs is gone, and npm leaves
# them out as long as package.json calls them so.
RUN npm run build \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && npm pkg delete devDependencies peerDependencies peerDependenciesMeta \
 && npm install --no-save --ignore-scripts --no-audit --no-fund bullmq@6.7.0 ioredis@6 @aws-sdk/client-s3@3.1175 \
 && rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/codecs ./codecs
COPY --from=build /app/models ./models
COPY --from=build /app/dist ./dist
# Nothing under /app is the user's: the process can change none of it. Uploads pass through /tmp.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8000/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
