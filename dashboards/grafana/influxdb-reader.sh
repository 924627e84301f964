#!/bin/bash
# Run by the InfluxDB 2 image at its first start: the bucket as a database for InfluxQL, the bucket of the hourly figures
# beside it, and a user for Grafana who may only read both. The platform gives them their retention.
set -euo pipefail

influx v1 dbrp create \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
  --db "$DOCKER_INFLUXDB_INIT_BUCKET" \
  --rp autogen \
  --default

figures_bucket_id=$(influx bucket create \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --name "$DOCKER_INFLUXDB_INIT_BUCKET/figures" \
  --hide-headers | cut -f 1)

influx v1 dbrp create \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --bucket-id "$figures_bucket_id" \
  --db "$DOCKER_INFLUXDB_INIT_BUCKET" \
  --rp figures

influx v1 auth create \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --username "$INFLUX_READER" \
  --password "$INFLUX_READER_PASSWORD" \
  --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
  --read-bucket "$figures_bucket_id" > /dev/null
