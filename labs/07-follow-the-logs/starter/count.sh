# Counts what your experiments left in the store of logs, and writes answers.toml. Run it with: sh count.sh
# What stands between $( and ) is run, and its output stands in its place. Have a guess before you measure:
guess_order_records=TODO  # how many records does one opinion leave, in all services together?
guess_lost=TODO           # of the records sent to a collector that stands still, how many are lost?

cd "$(dirname "$0")" && . ./task.env  # $ORDER, $RECORDS, $BAD
run=$(cat flood.run)                  # the name of your last frozen flood
count() { lab search "$1" --last 24h --count; }

# TODO 1: all records of your opinion. Its request id is order-$ORDER.
order_records=$(count "TODO")

# TODO 2: how many records of the frozen flood have arrived? They have two fields of yours: event and run.
arrived=$(count "TODO")
# TODO 3: how many were sent, how many are missing? $((a - b)) subtracts.
sent=0
lost=0
# TODO 4: where were they lost? One of: sender, kernel, collector, store. flood.py has printed what was counted where.
lost_in=TODO

# TODO 5: all records with a status of 400 or more whose request id begins with bad-$BAD- …
bad_records=$(count "TODO")
# TODO 6: … and of those the ones that the api wrote (event request): how many bad requests it answered.
bad_requests=$(count "TODO")

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
