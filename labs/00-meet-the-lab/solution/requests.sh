#!/usr/bin/env bash
# One round: your predictions, then one request that is wrong on purpose.
#   bash work/00-meet-the-lab/requests.sh       your own number of requests
#   bash work/00-meet-the-lab/requests.sh 5     five of them
set -euo pipefail
cd "$(dirname "$0")"
. ./task.env                  # REQUESTS and FLOWERS: numbers that only you have
requests=${1:-$REQUESTS}
round=${2:-$(date +%s)}       # every run is a round of its own, named by the second in which it began

# send ID BODY: one request to the service under that id; prints the status of the answer.
send() {
  curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1:18080/predict -H "X-Request-ID: $1" -d "$2"
}

# One body holds $FLOWERS flowers of four lengths in cm: the first is a setosa, all others are a virginica.
flowers='[5.1, 3.5, 1.4, 0.2]'
for _ in $(seq 2 "$FLOWERS"); do
  flowers="$flowers, [6.3, 3.3, 6.0, 2.5]"
done
body="{\"data\": [$flowers]}"

sleep 3                       # Prometheus looks once a second: let it see the counters as they are
for i in $(seq "$requests"); do
  send "meet-$round-$i" "$body"
done
send "meet-$round-wrong" '{"data": [["four", "lengths", "in", "cm"]]}'
echo
sleep 3                       # … and let it see them again
echo "round $round is over"
