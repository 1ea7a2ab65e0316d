"""All checks of a deployment: first those that only ask, then those that change it and put it back."""

from typing import Final

from labkit.check.deployment.balance import check_load_is_balanced
from labkit.check.deployment.canary import check_the_canary_gets_its_share
from labkit.check.deployment.counting import check_requests_are_counted_exactly
from labkit.check.deployment.headers import check_headers_are_there
from labkit.check.deployment.jobs import check_a_job_goes_through_kafka
from labkit.check.deployment.killing import check_a_killed_replica_loses_no_request
from labkit.check.deployment.log_lines import check_a_log_line_is_found_by_its_request_id
from labkit.check.deployment.routes import check_every_route_answers, check_wrong_input_is_refused
from labkit.check.deployment.scaling import check_replicas_scale_up_and_down
from labkit.check.deployment.subject import Deployment
from labkit.check.deployment.updating import check_a_rollback_loses_no_request, check_an_update_loses_no_request
from labkit.check.running import Check

CHECKS: Final = (
    Check[Deployment]("routes", check_every_route_answers),
    Check[Deployment]("refusals", check_wrong_input_is_refused),
    Check[Deployment]("headers", check_headers_are_there),
    Check[Deployment]("counting", check_requests_are_counted_exactly),
    Check[Deployment]("balance", check_load_is_balanced),
    Check[Deployment]("job", check_a_job_goes_through_kafka),
    Check[Deployment]("log", check_a_log_line_is_found_by_its_request_id),
    Check[Deployment]("kill", check_a_killed_replica_loses_no_request),
    Check[Deployment]("update", check_an_update_loses_no_request),
    Check[Deployment]("rollback", check_a_rollback_loses_no_request),
    Check[Deployment]("canary", check_the_canary_gets_its_share),
    Check[Deployment]("scale", check_replicas_scale_up_and_down),
)
