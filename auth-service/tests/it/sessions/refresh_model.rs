//! RefreshToken as a state machine: random refreshes, thefts and pauses, each answer compared with
//! a model of the rule.

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use test_support::refusal;

use crate::support::{App, Login, unauthenticated};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A client or thief presents an issued token: 0 is the newest, 1 the one before, and so on.
    Present { age: usize },
    /// The reuse window passes.
    Pause,
}

/// The state of a session, in the simplest form.
struct Model {
    current: u32,
    before: Option<u32>,
    just_replaced: bool,
    alive: bool,
}

impl Model {
    /// The generation of the returned token, or the reason of the error.
    fn present(&mut self, generation: u32) -> Result<u32, &'static str> {
        if !self.alive {
            return Err("REFRESH_TOKEN_INVALID");
        }
        if generation == self.current {
            self.before = Some(generation);
            self.current += 1;
            self.just_replaced = true;
            return Ok(self.current);
        }
        if self.before != Some(generation) {
            self.alive = false;
            return Err("REFRESH_TOKEN_REUSED");
        }
        if !self.just_replaced {
            self.current += 1;
            self.just_replaced = true;
        }
        Ok(self.current)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Present { age: 0 }),
        4 => Just(Step::Present { age: 1 }),
        1 => (2_usize..5).prop_map(|age| Step::Present { age }),
        3 => Just(Step::Pause),
    ];
    prop::collection::vec(step, 1..16)
}

#[tokio::test]
async fn every_answer_matches_the_model() {
    let app = App::start().await;
    app.register("ada").await;
    let mut runner = TestRunner::default();
    for _ in 0..40 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut given = vec![(1, app.begin_session("ada").await)];
        let mut model = Model { current: 1, before: None, just_replaced: false, alive: true };
        for step in &steps {
            match step {
                Step::Pause => {
                    let sql = "update auth.sessions set rotate_time = rotate_time - interval '1h'";
                    app.database.execute(sql).await;
                    model.just_replaced = false;
                }
                Step::Present { age } => {
                    let (generation, login) = given[given.len().saturating_sub(age + 1)].clone();
                    let expected = model.present(generation);
                    let answer = login.refresh().await;
                    compare(&mut given, expected, answer, &steps);
                }
            }
        }
    }
}

fn compare(
    given: &mut Vec<(u32, Login)>,
    expected: Result<u32, &str>,
    answer: Result<Login, tonic::Status>,
    steps: &[Step],
) {
    match expected {
        Err(reason) => {
            assert_eq!(refusal(answer), unauthenticated(reason), "{steps:?}");
        }
        Ok(generation) => {
            let login = answer.unwrap_or_else(|status| panic!("{status} in {steps:?}"));
            let token = &login.tokens.refresh_token;
            let known = given.iter().find(|(g, _)| *g == generation);
            match known {
                Some((_, known)) => assert_eq!(&known.tokens.refresh_token, token, "{steps:?}"),
                None => {
                    let all_differ = given.iter().all(|(_, l)| &l.tokens.refresh_token != token);
                    assert!(all_differ, "{steps:?}");
                    given.push((generation, login));
                }
            }
        }
    }
}
