"""Money in: orders at payment providers, their call-backs, their history, credit by administrators."""

from edge.console.payments import epay, history, stripe

ROUTES = (*epay.ROUTES, *stripe.ROUTES, *history.ROUTES)
