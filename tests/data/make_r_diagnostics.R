# Diagnostics of R's own data sets by R's own functions, written with 15 digits.
# Run: Rscript tests/data/make_r_diagnostics.R tests/data
folder <- commandArgs(trailingOnly = TRUE)[1]
write_case <- function(name, fit) {
  X <- model.matrix(fit)
  mm <- fit$model
  y <- model.response(mm)
  if (is.factor(y)) y <- as.numeric(y) - 1
  w <- model.weights(mm); if (is.null(w)) w <- rep(1, nrow(X))
  is_glm <- inherits(fit, "glm")
  out <- data.frame(X, y = y, weight = w, fitted = fitted(fit),
    hat = hatvalues(fit), cook = cooks.distance(fit),
    rstandard_pearson = if (is_glm) rstandard(fit, type = "pearson") else rstandard(fit),
    deviance_residual = residuals(fit, type = "deviance"))
  if (!is_glm) {
    out$rstudent <- rstudent(fit); out$dffits <- dffits(fit); out$covratio <- covratio(fit)
    dfb <- dfbetas(fit); colnames(dfb) <- paste0("dfbetas_", colnames(X)); out <- cbind(out, dfb)
  }
  out$dispersion <- summary(fit)$dispersion %||% NA
  if (!is_glm) out$dispersion <- summary(fit)$sigma^2
  for (j in seq_len(ncol(X))) out[[paste0("coef_", j)]] <- coef(fit)[j]
  options(digits = 16)
  write.csv(format(out, digits = 15), file.path(folder, paste0("r_", name, ".csv")), row.names = FALSE, quote = FALSE)
}
`%||%` <- function(a, b) if (is.null(a)) b else a
tight <- glm.control(epsilon = 1e-14, maxit = 200)
write_case("lm_stackloss", lm(stack.loss ~ ., data = stackloss))
write_case("lm_weighted", lm(stack.loss ~ ., data = stackloss, weights = 1 + (1:21) %% 3))
write_case("glm_logit", glm(case ~ age + parity + spontaneous, family = binomial, data = infert, control = tight))
write_case("glm_probit", glm(case ~ age + parity + spontaneous, family = binomial("probit"), data = infert, control = tight))
write_case("glm_poisson", glm(count ~ spray, family = poisson, data = InsectSprays, control = tight))
clotting <- data.frame(u = c(5, 10, 15, 20, 30, 40, 60, 80, 100), lot1 = c(118, 58, 42, 35, 27, 25, 21, 19, 18))
write_case("glm_gamma_inverse", glm(lot1 ~ log(u), family = Gamma, data = clotting, control = tight))
write_case("glm_gamma_log", glm(lot1 ~ log(u), family = Gamma("log"), data = clotting, control = tight))
write_case("glm_inverse_gaussian", glm(lot1 ~ log(u), family = inverse.gaussian("log"), data = clotting, control = tight))
