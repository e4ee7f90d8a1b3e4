"""What happens when a button is pressed or an endpoint is called: functions of a context, tested without a page."""
