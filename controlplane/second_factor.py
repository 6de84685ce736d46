"""allauth's pages of the second factor, each with the entry of what was done, in the same transaction."""

from allauth.account.decorators import reauthentication_required
from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.decorators import method_decorator

from controlplane.accounts import note


class Activate(ActivateTOTPView):  # type: ignore[misc] # allauth is untyped
    """`totp/activate/`: scan, and prove it with a code."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Enrol, with its entry."""
        with transaction.atomic():
            note("member.changed", self.request.user, what="second factor enrolled")
            response: HttpResponse = super().form_valid(form)
        return response


class Deactivate(DeactivateTOTPView):  # type: ignore[misc] # as above
    """`totp/deactivate/`: after showing the password or a code again."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Take it off, with its entry."""
        with transaction.atomic():
            note("member.changed", self.request.user, what="second factor removed")
            response: HttpResponse = super().form_valid(form)
        return response


class Generate(GenerateRecoveryCodesView):  # type: ignore[misc] # as above
    """`recovery-codes/generate/`: new ones; the old end."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Make them, with the entry."""
        with transaction.atomic():
            note("member.changed", self.request.user, what="recovery codes made anew")
            response: HttpResponse = super().form_valid(form)
        return response


class Authenticate(AuthenticateView):  # type: ignore[misc] # as above
    """`authenticate/`: the second step of signing in."""

    def form_valid(self, form: Form) -> HttpResponse:
        """A recovery code that was used up is an entry of its own."""
        with transaction.atomic():
            if form.authenticator.type == "recovery_codes":  # type: ignore[attr-defined] # set by allauth's form
                note("member.changed", self.stage.login.user, what="recovery code used")
            response: HttpResponse = super().form_valid(form)
        return response


@method_decorator(reauthentication_required(app="allauth.mfa"), name="dispatch")
class Codes(ViewRecoveryCodesView):  # type: ignore[misc] # as above
    """`recovery-codes/`: shown once, after they were made."""


def index(_: HttpRequest) -> HttpResponse:
    """The overview of second factors is the settings page."""
    return redirect("settings")


urlpatterns = [
    path("", index, name="mfa_index"),
    path("authenticate/", Authenticate.as_view(), name="mfa_authenticate"),
    path("reauthenticate/", ReauthenticateView.as_view(), name="mfa_reauthenticate"),
    path("totp/activate/", Activate.as_view(), name="mfa_activate_totp"),
    path("totp/deactivate/", Deactivate.as_view(), name="mfa_deactivate_totp"),
    path("recovery-codes/", Codes.as_view(), name="mfa_view_recovery_codes"),
    path("recovery-codes/generate/", Generate.as_view(), name="mfa_generate_recovery_codes"),
]
