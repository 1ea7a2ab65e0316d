# Counts what your experiments left in the store of logs, and writes answers.toml. Run it with: sh count.sh
# What stands between $( and ) is run, and its output stands in its place. Have a guess before you measure:
guess_order_records=5  # how many records does one opinion leave, in all services together?
guess_lost=100         # of the records sent to a collector that stands still, how many are lost?

cd "$(dirname "$0")" && . ./task.env  # $ORDER, $RECORDS, $BAD
run=$(cat flood.run)                  # the name of your last frozen flood
count() { lab search "$1" --last 24h --count; }

order_records=$(count "request_id:order-$ORDER")

arrived=$(count "event:flood AND run:$run")
sent=$RECORDS
lost=$((sent - arrived))
lost_in=kernel

bad_records=$(count "status:>=400 AND request_id:bad-$BAD-*")
bad_requests=$(count "status:>=400 AND request_id:bad-$BAD-* AND event:request")

cat > answers.toml <<END
guess_order_records = "$guess_order_records"
guess_lost = "$guess_lost"
order_records = $order_records
run = "$run"
sent = $sent
arrived = $arrived
lost = $lost
lost_in = "$lost_in"
bad_records = $bad_records
bad_requests = $bad_requests
END
cat answers.toml
