"""What a load's pod runs: the standard library and these modules alone, because they travel into it as a zip.

`python3 -u -c BOOT ZIP LOOP OPTIONS` (`carried.py`), OPTIONS being the fields of the loop's options as JSON. It
prints {"started": true} when the load has begun. When its stdin closes or says "stop" it sends no more, lets running
requests finish, and prints one JSON document. An open loop reads its times from stdin first, and sends the rest of
them when it is told "end".

Outcomes of a request, all but the first of them lost:
  ok            whole: status 200 and finish_reason "length", a stream also with its [DONE]
  refused       nobody listens
  unreachable   no route to the address, or its name is unknown
  reset         the connection ended before anything of the answer came
  lost_idle     the same on a connection that had carried a request before. The server may have closed it
                because it was idle, just as the request was written: many libraries try once more, and some
                never do so for a POST. A server that dies while it computes looks the same from here.
  truncated     the answer began and did not become whole
  timeout       no byte for `timeout_seconds`
  http_<status> any other status
  garbled       not HTTP
  no_endpoint   the Service had no ready endpoint, where a gateway would answer 503
  unsent        an open loop had `most_in_flight` requests on their way already
"""
